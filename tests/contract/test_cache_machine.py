# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Any sequence of what may happen to the cache, against a model of it.

Volumes are made through the strategies that use the cache; images come and
go; entries are pinned, evicted and swept; importers die.  Whatever the
order: every volume keeps the image it was made of, the entries are those of
the model, the limits hold, and nothing is left when all has gone.
"""

import dataclasses
import itertools

from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import stateful
from hypothesis import strategies as st

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import eviction
from rbd_imgdriver.cache import fill
from rbd_imgdriver.cache import names
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.cache import sweep
from rbd_imgdriver import errors
from rbd_imgdriver.importer import importer
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from rbd_imgdriver.strategies import cached_clone
from rbd_imgdriver.strategies import import_image
from rbd_imgdriver.strategies import maker
from rbd_imgdriver import undo

GIB = model.GIB
LIMITS = eviction.Limits(size_gb=4, count=3)
IMAGES = [model.Image(
    id=f'{number:08d}-0000-4000-8000-000000000000', name=f'image {number}',
    disk_format='qcow2', container_format='bare', size=1, hash_algo='sha512',
    hash_value=f'{number:064d}'[::-1], virtual_size=size * GIB)
    for number, size in enumerate((1, 1, 2, 3), 1)]


class Killed(BaseException):
    """The importing process is gone, in the middle of its work."""


class Events:
    """Nobody listens."""

    def cache(self, action: str, image_id: str) -> None:
        """Nothing happens."""


class Importer:
    """Makes an image whose metadata stands for the data it should hold."""

    def __init__(self) -> None:
        self.dies_at: str | None = None
        self.bad = False
        self.imports = 0

    def import_image(self, image, data, target, *, publish, progress=None,
                     golden=None):
        self.imports += 1
        pool = target.pool
        partial = target.partial or temporary.new_name(target.name)
        if image.virtual_size > target.limit:
            raise errors.ImageTooLarge(image.id, 'it is')
        if self.dies_at == 'before':
            raise Killed
        size = target.size or image.virtual_size
        pool.images.create(partial, size, target.order,
                           {**target.metadata, 'data': image.id},
                           temporary.MARK)
        if self.dies_at == 'written':
            raise Killed
        if self.bad:
            pool.images.remove(partial)
            raise errors.ImageDamaged(image.id, 'it is')
        with undo.on_error(partial, lambda: pool.images.remove(partial)):
            publish(importer.Imported(partial, size, 1))
        return importer.Imported(target.name, size, 1)


class Machine(stateful.RuleBasedStateMachine):
    """The rules; a subclass says which pool."""

    make_pool = None

    def __init__(self) -> None:
        super().__init__()
        self.pool = type(self).make_pool()
        self.clock = itertools.count(1)
        self.store = cache_store.Store(self.pool, clock=self._tick)
        self.importer = Importer()
        self.filler = fill.Filler(self.store, self.importer, LIMITS, 22)
        self.cached = cached_clone.CachedClone(
            maker.Maker(self.pool, 22, 5), self.store)
        self.strategies = [self.cached, import_image.ImportImage(
            self.pool, self.importer, 22, self.filler, self.cached)]
        self.numbers = itertools.count(1)
        self.volumes: dict[str, str] = {}
        self.entries: set[str] = set()
        self.pinned: set[str] = set()
        self.in_glance = {image.id for image in IMAGES}

    def _tick(self) -> float:
        # Far enough apart that each use is recorded.
        return next(self.clock) * 100.0

    def _request(self, image: model.Image) -> model.Request:
        name = f'volume-{next(self.numbers)}'
        return model.Request(
            image, model.Target(name, name, image.virtual_size),
            data=None, volumes=None, events=Events())

    def _create(self, image: model.Image) -> model.Created:
        request = self._request(image)
        for strategy in self.strategies:
            answer = strategy.attempt(request)
            if isinstance(answer, model.Created):
                self.volumes[request.target.name] = image.id
                return answer
            request = request.after(strategy.name, answer)
        raise AssertionError(model.describe(request.declined))

    def _by_name(self) -> dict[str, entry.Entry]:
        return {one.name: one for one in self.store.entries()}

    @stateful.rule(image=st.sampled_from(IMAGES))
    def create_volume(self, image):
        golden = names.golden(image)
        before = self._by_name()
        plan = eviction.plan(before.values(), image.virtual_size, LIMITS)
        imports = self.importer.imports

        created = self._create(image)

        if golden in self.entries:
            assert created.strategy == 'cached-clone'
            assert self.importer.imports == imports
            return
        assert self.importer.imports == imports + 1
        if plan.fits:
            self.entries -= {one.name for one in plan.evict}
            self.entries.add(golden)
            assert created.parent
        else:
            assert not created.parent

    @stateful.rule(image=st.sampled_from(IMAGES),
                   step=st.sampled_from(['before', 'written']))
    def importer_dies(self, image, step):
        golden = names.golden(image)
        if golden in self.entries:
            return
        self.importer.dies_at = step
        try:
            self._create(image)
        except Killed:
            pass
        finally:
            self.importer.dies_at = None

    @stateful.rule(image=st.sampled_from(IMAGES))
    def image_is_bad(self, image):
        golden = names.golden(image)
        if golden in self.entries:
            return
        self.importer.bad = True
        try:
            self._create(image)
        except errors.ImageDamaged:
            pass
        else:
            raise AssertionError('a bad image made a volume')
        finally:
            self.importer.bad = False

    @stateful.precondition(lambda self: self.volumes)
    @stateful.rule(data=st.data())
    def delete_volume(self, data):
        name = data.draw(st.sampled_from(sorted(self.volumes)))
        self.pool.images.remove(name)
        del self.volumes[name]

    @stateful.precondition(lambda self: self.entries)
    @stateful.rule(data=st.data(), keep=st.booleans())
    def pin_or_unpin(self, data, keep):
        golden = data.draw(st.sampled_from(sorted(self.entries)))
        if keep:
            self.store.pin(golden)
            self.pinned.add(golden)
        else:
            self.store.unpin(golden)
            self.pinned.discard(golden)

    @stateful.precondition(lambda self: self.entries)
    @stateful.rule(data=st.data())
    def evict(self, data):
        golden = data.draw(st.sampled_from(sorted(self.entries)))
        self.store.retire(golden)
        self.entries.discard(golden)
        self.pinned.discard(golden)

    @stateful.rule(image=st.sampled_from(IMAGES), there=st.booleans())
    def image_in_glance(self, image, there):
        if there:
            self.in_glance.add(image.id)
        else:
            self.in_glance.discard(image.id)

    @stateful.rule()
    def sweep_runs(self):
        self._sweep()
        gone = {names.golden(image) for image in IMAGES
                if image.id not in self.in_glance}
        self.entries -= gone
        self.pinned -= gone
        assert not [name for name in sorted(self.pool.directory.ids())
                    if name.startswith('.partial-image')]
        kept = {one.name for one in self.pool.trash.entries()}
        assert kept <= {names.golden(image) for image in IMAGES
                        if image.id in self.volumes.values()}

    def _sweep(self) -> None:
        sweep.Sweep(self.store, self.in_glance.__contains__).run()

    @stateful.invariant()
    def the_entries_are_those_of_the_model(self):
        assert set(self._by_name()) == self.entries
        assert {name for name, one in self._by_name().items()
                if one.pinned} == self.pinned

    @stateful.invariant()
    def the_limits_hold(self):
        found = self._by_name().values()
        assert len(found) <= LIMITS.count
        assert sum(one.size for one in found) <= LIMITS.size_gb * GIB

    @stateful.invariant()
    def every_volume_is_there(self):
        there = set(self.pool.directory.ids())
        assert set(self.volumes) <= there

    def teardown(self):
        for name in self.volumes:
            self.pool.images.remove(name)
        for golden in self.entries:
            self.store.retire(golden)
        self._sweep()
        left = [name for name in sorted(self.pool.directory.ids())
                if not name.startswith('.partial-volume-')]
        assert (left, self.pool.trash.entries()) == ([], [])


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much is tried: the pool in memory costs nothing."""

    examples: int
    steps: int


def test_any_sequence(make_pool, request):
    on_ceph = 'ceph' in request.node.callspec.id
    effort = Effort(6, 12) if on_ceph else Effort(150, 40)
    machine = type('OnPool', (Machine,), {'make_pool': staticmethod(
        make_pool)})
    stateful.run_state_machine_as_test(machine, settings=settings(
        max_examples=effort.examples, stateful_step_count=effort.steps,
        deadline=None, suppress_health_check=list(HealthCheck)))
