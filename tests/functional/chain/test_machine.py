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
"""Any sequence of what users do, against a model of what they expect."""

import dataclasses
import hashlib

from cinder import context
import hypothesis
from hypothesis import stateful
from hypothesis import strategies as st
import pytest
import rbd

from tests.functional import conftest
from tests.functional import host

OBJECTS = 4
LIMIT = 2
MOST_VOLUMES = 8
GIB = 2**30
POOLS = ('volumes', 'volumes2')


@dataclasses.dataclass(repr=False)
class Modelled:
    """What a volume or snapshot has to hold: the text in each object."""

    real: object
    texts: list[str]
    size: int
    pool: str = 'volumes'
    snapshots: list['Modelled'] = dataclasses.field(default_factory=list)
    volume: 'Modelled | None' = None

    @property
    def name(self) -> str:
        return self.real.name

    def __repr__(self) -> str:
        return f'{self.pool}/{self.name} {self.texts}'

    def digest(self, disks) -> str:
        blocks = [(text.encode() * disks.BLOCK)[:disks.BLOCK]
                  if text else bytes(disks.BLOCK) for text in self.texts]
        return hashlib.sha256(b''.join(blocks)).hexdigest()


class Machine(stateful.RuleBasedStateMachine):
    """Rules are Cinder's operations; restarts make new drivers."""

    world: 'World'

    def __init__(self) -> None:
        super().__init__()
        self.volumes: list[Modelled] = []
        self.count = 0
        self.drivers = {}
        self.readers: dict[int, tuple[rbd.Image, Modelled]] = {}
        self.restart()

    # -- choices ----------------------------------------------------------

    def _pick(self, data, among=None) -> Modelled:
        return data.draw(st.sampled_from(among or self.volumes),
                         label='which')

    def _snapshots(self) -> list[Modelled]:
        return [one for volume in self.volumes for one in volume.snapshots]

    def _text(self) -> str:
        self.count += 1
        return f'{self.count};'

    def _add(self, real, texts, size, pool) -> Modelled:
        volume = Modelled(real, list(texts), size, pool)
        self.volumes.append(volume)
        return volume

    def _may_grow(self) -> bool:
        return len(self.volumes) < MOST_VOLUMES

    # -- what users do ----------------------------------------------------

    @stateful.initialize()
    def first(self) -> None:
        self.create_from_image()

    @stateful.precondition(_may_grow)
    @stateful.rule()
    def create_from_image(self) -> None:
        real = host.volume()
        meta, location, texts = self.world.image
        _, done = self.drivers['volumes'].clone_image(
            context.get_admin_context(), real, (location, None), meta, None)
        assert done
        self._add(real, texts, 1, 'volumes')

    @stateful.precondition(lambda self: self._may_grow() and self.volumes)
    @stateful.rule(data=st.data(), grow=st.booleans(), used=st.booleans())
    def clone(self, data, grow, used) -> None:
        source = self._pick(data)
        real = host.volume(source.size + grow)
        source.real.attach_status = 'attached' if used else 'detached'
        self.drivers[source.pool].create_cloned_volume(real, source.real)
        self._add(real, source.texts, real.size, source.pool)

    @stateful.precondition(lambda self: self.volumes)
    @stateful.rule(data=st.data())
    def snapshot(self, data) -> None:
        of = self._pick(data)
        real = host.snapshot(of.real)
        self.drivers[of.pool].create_snapshot(real)
        of.snapshots.append(Modelled(real, list(of.texts), of.size, of.pool,
                                     volume=of))

    @stateful.precondition(lambda self: self._may_grow()
                           and self._snapshots())
    @stateful.rule(data=st.data(), grow=st.booleans())
    def volume_from_snapshot(self, data, grow) -> None:
        source = self._pick(data, self._snapshots())
        real = host.volume(source.size + grow)
        self.drivers[source.pool].create_volume_from_snapshot(real,
                                                              source.real)
        self._add(real, source.texts, real.size, source.pool)

    @stateful.precondition(lambda self: self.volumes)
    @stateful.rule(data=st.data(), number=st.integers(0, OBJECTS - 1))
    def write(self, data, number) -> None:
        volume = self._pick(data)
        text = self._text()
        self.world.disks.write(volume.name, number, text, volume.pool)
        volume.texts[number] = text

    @stateful.precondition(lambda self: self.volumes)
    @stateful.rule(data=st.data())
    def extend(self, data) -> None:
        volume = self._pick(data)
        volume.size += 1
        self.drivers[volume.pool].extend_volume(volume.real, volume.size)
        volume.real.size = volume.size

    @stateful.precondition(lambda self: self._snapshots())
    @stateful.rule(data=st.data())
    def revert(self, data) -> None:
        snapshot = self._pick(data, self._snapshots())
        volume = snapshot.volume
        if snapshot is not volume.snapshots[-1] or \
                snapshot.size != volume.size:
            return  # Cinder allows the newest only
        self.drivers[volume.pool].revert_to_snapshot(None, volume.real,
                                                     snapshot.real)
        volume.texts = list(snapshot.texts)

    @stateful.precondition(lambda self: self._snapshots())
    @stateful.rule(data=st.data())
    def delete_snapshot(self, data) -> None:
        snapshot = self._pick(data, self._snapshots())
        self._forget(snapshot)
        self.drivers[snapshot.pool].delete_snapshot(snapshot.real)
        snapshot.volume.snapshots.remove(snapshot)

    @stateful.precondition(lambda self: self.volumes)
    @stateful.rule(data=st.data())
    def delete_volume(self, data) -> None:
        volume = self._pick(data)
        if volume.snapshots:
            return  # Cinder refuses
        self._forget(volume)
        self.drivers[volume.pool].delete_volume(volume.real)
        self.volumes.remove(volume)

    @stateful.precondition(lambda self: self.volumes)
    @stateful.rule(data=st.data())
    def migrate(self, data) -> None:
        volume = self._pick(data)
        if volume.snapshots:
            return  # Cinder refuses
        self._forget(volume)
        volume.real.status = 'available'
        target = POOLS[1 - POOLS.index(volume.pool)]
        moved, _ = self.drivers[volume.pool].migrate_volume(
            None, volume.real, self.world.backend_of(self.drivers[target]))
        assert moved
        volume.pool = target

    # -- what happens besides ---------------------------------------------

    @stateful.precondition(lambda self: self.volumes)
    @stateful.rule(data=st.data())
    def flatten(self, data) -> None:
        volume = self._pick(data)
        backend = self.drivers[volume.pool]._backend
        backend.chains.flattener.request(backend.pool, volume.name)

    @stateful.rule()
    def restart(self) -> None:
        for driver in self.drivers.values():
            host.end_flattens(driver)
        self.drivers = {pool: self.world.make(pool) for pool in POOLS}
        for driver in self.drivers.values():
            driver._chains.resume()

    @stateful.precondition(lambda self: self.volumes)
    @stateful.rule(data=st.data())
    def open_read_only(self, data) -> None:
        """A client that librbd cannot see: a backup, an upload."""
        one = self._pick(data, [*self.volumes, *self._snapshots()])
        if id(one) not in self.readers:
            self.readers[id(one)] = (self.world.open(one), one)

    @stateful.rule()
    def settle(self) -> None:
        """Once flattening has settled no chain is too long."""
        # A flatten may have to wait for that of a clone.
        done = {}
        for volume in self.volumes * len(self.volumes):
            backend = self.drivers[volume.pool]._backend
            done[volume.name] = backend.chains.flattener.settle(
                backend.pool, volume.name, 60)
        for volume in self.volumes:
            pool = self.drivers[volume.pool]._backend.pool
            depth = pool.ancestry.depth(volume.name)
            if done[volume.name]:
                assert depth <= LIMIT
            else:
                assert not pool.ancestry.is_lone(
                    pool.directory.id(volume.name)), (
                    'only snapshots put a flatten off')
                assert depth <= LIMIT + 1

    # -- what must always hold ---------------------------------------------

    @stateful.invariant()
    def bytes_are_as_expected(self) -> None:
        for volume in self.volumes:
            with self.world.disks.open(volume.name, volume.pool) as image:
                assert image.size() == volume.size * GIB
                assert self._read(image) == volume.digest(self.world.disks)
        for image, one in self.readers.values():
            assert self._read(image) == one.digest(self.world.disks), one

    def _read(self, image: rbd.Image) -> str:
        disks = self.world.disks
        return hashlib.sha256(b''.join(
            image.read(number * disks.OBJECT, disks.BLOCK)
            for number in range(OBJECTS))).hexdigest()

    def _forget(self, one: Modelled) -> None:
        image, _ = self.readers.pop(id(one), (None, None))
        if image is not None:
            image.close()

    def teardown(self) -> None:
        """After everything was deleted, nothing is left."""
        try:
            while self.volumes:
                for snapshot in list(self.volumes[0].snapshots):
                    self._forget(snapshot)
                    self.drivers[snapshot.pool].delete_snapshot(snapshot.real)
                volume = self.volumes.pop(0)
                self._forget(volume)
                self.drivers[volume.pool].delete_volume(volume.real)
            for driver in self.drivers.values():
                host.end_flattens(driver)
            assert self.world.is_empty()
        finally:
            for image, _ in self.readers.values():
                image.close()
            self.world.clear()


@dataclasses.dataclass
class World:
    """The cluster, for a machine that pytest cannot give fixtures."""

    make: object
    disks: object
    image: tuple
    is_empty: object
    ioctxs: dict
    clear: object

    def open(self, one: Modelled) -> rbd.Image:
        snapshot = one.name if one.volume else None
        name = one.volume.name if one.volume else one.name
        return rbd.Image(self.ioctxs[one.pool], name, snapshot=snapshot,
                         read_only=True)

    @staticmethod
    def backend_of(driver) -> dict:
        """What the scheduler knows of a backend."""
        driver._update_volume_stats()
        return {'host': 'x', 'capabilities': driver._stats}


@pytest.fixture
def image(admin, glance_image):
    """A raw image in Glance's pool: (meta, location, texts)."""
    location = glance_image('machine')
    texts = []
    with admin.open_ioctx('images') as ioctx, \
            rbd.Image(ioctx, 'machine') as opened:
        opened.unprotect_snap('snap')
        opened.remove_snap('snap')
        opened.resize(OBJECTS * 2**22)
        for number in range(OBJECTS):
            texts.append(f'image {number};')
            block = (texts[-1].encode() * 4096)[:4096]
            opened.write(block, number * 2**22)
        opened.create_snap('snap')
        opened.protect_snap('snap')
    meta = {'id': 'machine', 'name': 'machine', 'disk_format': 'raw',
            'container_format': 'bare', 'size': OBJECTS * 2**22,
            'status': 'active', 'properties': {}}
    return meta, location, texts


@pytest.fixture
def readers(cluster):
    """I/O contexts of another client."""
    with cluster.connection() as client:
        ioctxs = {pool: client.open_ioctx(pool) for pool in POOLS}
        yield ioctxs
        for ioctx in ioctxs.values():
            ioctx.close()


@pytest.mark.timeout(600)
def test_sequences(ours, disks, image, is_empty, readers, cluster):
    def clear() -> None:
        conftest.empty(cluster, POOLS)

    class Bound(Machine):
        world = World(lambda pool: ours(pool, rbd_max_clone_depth=LIMIT),
                      disks, image, is_empty, readers, clear)

    stateful.run_state_machine_as_test(Bound, settings=hypothesis.settings(
        max_examples=12, stateful_step_count=30, deadline=None,
        # Not shrink: a step on a real cluster takes a tenth of a second.
        phases=(hypothesis.Phase.reuse, hypothesis.Phase.generate),
        suppress_health_check=list(hypothesis.HealthCheck)))
