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
"""Two hosts on a pool in memory.

What the driver calls is what runs here: strategies, importer, cache, chains,
leak repair.  Cinder's driver class itself needs librbd, whose part in extend
and revert is one operation each; those are the cluster's here.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import hashlib
import itertools
import tempfile
import time
from typing import Any

from rbd_imgdriver.cache import eviction
from rbd_imgdriver.cache import fill
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.cache import sweep
from rbd_imgdriver.chain import chains
from rbd_imgdriver.chain import clone
from rbd_imgdriver.chain import delete
from rbd_imgdriver.chain import flattener as chain_flattener
from rbd_imgdriver.chain import leaks
from rbd_imgdriver.chain import move
from rbd_imgdriver.chain import names
from rbd_imgdriver.importer import importer
from rbd_imgdriver.importer import options
from rbd_imgdriver import model
from rbd_imgdriver import opts
from rbd_imgdriver import provision
from rbd_imgdriver.strategies import builder
from tests.chaos import accidents
from tests.chaos import disks
from tests.contract import fake_model
from tests.contract import fake_pool

OBJECTS = 4
ORDER = 12
OBJECT = 2**ORDER
BLOCK = 64
LIMIT = 2
CACHED = 2
_DAY = 86400.0
_VOLUME_POOLS = frozenset(disks.POOLS)


@dataclasses.dataclass(eq=False)
class Named:
    """A volume or snapshot, as far as its name goes."""

    id: str
    name: str
    size: int = 1


@dataclasses.dataclass(frozen=True)
class GlanceImage:
    """An image, and what it holds."""

    label: str
    image: model.Image
    texts: tuple[str, ...]
    data: bytes

    def verifier(self) -> None:
        """It has no signature."""

    def read(self, offset: int = 0) -> Iterator[bytes]:
        yield self.data[offset:]


class Nobody:
    """No volume backs an image, and nobody listens."""

    def image_volume(self, _volume_id: str) -> None:
        """There is none."""

    def cache(self, _action: str, _image_id: str) -> None:
        """Nobody wants to know."""


class Flattener(chain_flattener.Flattener):
    """Works in the caller's thread, so that a seed means one sequence.

    :ivar is_starved: let others do first what is asked for
    """

    is_starved = False

    def settle(self, pool: Any, image: str, patience: float) -> bool:
        self.is_starved = False
        return super().settle(pool, image, patience)

    def _enqueue(self, job: Any) -> None:
        if job not in self._queue and job not in self._running:
            self._queue.append(job)
        while self._queue and not self.is_starved and not self._running:
            job = self._next()
            try:
                self._do(job)
            finally:
                del self._running[job]


class Chains(chains.Chains):
    """Those of a backend, with that flattener."""

    def __init__(self, pool: Any, settings: chains.Options) -> None:
        super().__init__(pool, settings)
        self.flattener = Flattener(1, settings.rules)
        self.cloner = clone.Cloner(pool, settings.limit, self.flattener)
        self.deleter = delete.Deleter(
            pool, settings.rules, self.flattener, settings.deferment,
            settings.patience)
        self._mover = move.Mover(pool, self.deleter, self.flattener)


class Backend:
    """What rbd_imgdriver.backend makes of settings, on a given pool."""

    def __init__(self, world: 'FakeWorld', pool: Any) -> None:
        rules = names.Names(status_of=world.status_of)
        self.pool = pool
        self.chains = Chains(pool, chains.Options(
            limit=LIMIT, patience=0.0, rules=rules))
        self.leaks = leaks.Leaks(pool, rules, world.status_of)
        self.store = cache_store.Store(pool)
        imports = importer.Importer(options.Options(
            tempfile.gettempdir(), volume_pools=_VOLUME_POOLS))
        filler = fill.Filler(self.store, imports, eviction.Limits(
            count=CACHED), ORDER, sleep=lambda _: world.expire())
        strategies = builder.build(
            builder.Rules(ORDER, LIMIT, _VOLUME_POOLS, True), builder.Tools(
                pool, self.chains.cloner, self.store, imports, filler))
        self.cascade = [strategies[name] for name in opts.CASCADE]


class Host:
    """One cinder-volume, with a backend for each pool."""

    def __init__(self, world: 'FakeWorld', name: str) -> None:
        self._world = world
        self._name = name
        self.is_busy = False
        self.start()

    def __str__(self) -> str:
        return self._name

    def start(self) -> None:
        """Begin again; whoever was here before does nothing any more."""
        self.calls = accidents.Calls()
        self._backends: dict[str, Backend] = {}

    def on(self, pool: str) -> Backend:
        if pool not in self._backends:
            self._backends[pool] = Backend(self._world, accidents.count(
                self._world.pool(pool), self.calls))
        return self._backends[pool]

    # -- what the driver does ------------------------------------------------

    def create(self, real: Named, image: GlanceImage) -> None:
        backend = self.on('volumes')
        provision.provision(backend.cascade, model.Request(
            image.image, model.Target(real.id, real.name,
                                      real.size * model.GIB),
            image, Nobody(), Nobody()))

    def clone(self, new: disks.Disk, source: disks.Disk) -> None:
        self.on(source.pool).chains.cloner.clone_volume(
            source.real.name, source.is_attached, clone.Wanted(
                new.real.name, size=(None if new.size == source.size
                                     else new.size * model.GIB)))

    def from_snapshot(self, new: disks.Disk, source: disks.Disk) -> None:
        growth = new.size - source.size
        self.on(source.pool).chains.cloner.from_snapshot(
            source.of.real.name, source.real.name, clone.Wanted(
                new.real.name,
                size=new.size * model.GIB if growth else None), False)

    def snapshot(self, new: disks.Disk) -> None:
        self.on(new.pool).chains.create_snapshot(new.of.real.name,
                                                 new.real.name)

    def extend(self, volume: disks.Disk, size: int) -> None:
        self.on(volume.pool).pool.images.resize(volume.real.name,
                                                size * model.GIB)

    def revert(self, volume: disks.Disk, snapshot: disks.Disk) -> None:
        self._world.roll_back(volume, snapshot)

    def flatten(self, volume: disks.Disk) -> None:
        backend = self.on(volume.pool)
        backend.chains.flattener.is_starved = self._world.is_busy
        backend.chains.flattener.request(backend.pool, volume.real.name)
        backend.chains.flattener.is_starved = False

    def attach(self, volume: disks.Disk) -> None:
        self.on(volume.pool).chains.before_attach(volume.real.name)

    def migrate(self, volume: disks.Disk, pool: str) -> None:
        # One that another host has taken for dead Cinder does itself.
        with contextlib.suppress(delete.Abandoned):
            self.on(volume.pool).chains.move(volume.real.name, pool)

    def delete(self, volume: disks.Disk) -> None:
        self.on(volume.pool).chains.deleter.delete(volume.real.name)

    def delete_snapshot(self, snapshot: disks.Disk) -> None:
        self.on(snapshot.pool).chains.delete_snapshot(
            snapshot.of.real.name, snapshot.real.name)

    # -- what it does by itself, and what operators let it do ----------------

    def evict(self, number: int) -> None:
        store = self.on('volumes').store
        entries = [one.name for one in store.entries()]
        if entries:
            store.retire(entries[number % len(entries)])

    def sweep(self, later: float = 0.0) -> None:
        for pool in disks.POOLS:
            sweep.Sweep(self.on(pool).store, lambda _: True,
                        clock=lambda: time.time() + later).run()

    def repair(self) -> None:
        for pool in disks.POOLS:
            looking = self.on(pool).leaks
            for leak in looking.find():
                looking.repair(leak)

    def resume(self) -> None:
        for pool in disks.POOLS:
            self.on(pool).chains.resume()

    def purge(self) -> None:
        for pool in disks.POOLS:
            self.on(pool).chains.purge()


class FakeWorld:
    """The cluster, its hosts and guests, Glance and Cinder's database.

    :param reverts_show: whether a revert changes what shows writes; with
        fast-diff of Ceph it does not
    """

    failures: tuple[type[Exception], ...] = ()
    objects = OBJECTS
    patience = 0.0  # no time passes

    def __init__(self, reverts_show: bool = True) -> None:
        self._reverts_show = reverts_show
        self._numbers = itertools.count(1)
        self._cluster = fake_model.Cluster(fake_pool.POOLS)
        self._status: dict[str, str] = {}
        self.images = [self._image('raw in Ceph', 1, True),
                       self._image('raw', 2, False),
                       self._image('another raw', 3, False),
                       self._image('a third raw', 4, False)]
        self.hosts = [Host(self, 'host 1'), Host(self, 'host 2')]

    @property
    def is_busy(self) -> bool:
        """Whether a host is in the midst of something."""
        return all(host.is_busy for host in self.hosts)

    def pool(self, name: str) -> fake_pool.FakePool:
        return fake_pool.FakePool(name, self._cluster)

    def _image(self, label: str, number: int, in_ceph: bool) -> GlanceImage:
        id_ = f'{number:08d}-0000-4000-8000-000000000000'
        texts = tuple(f'image {number}, {at};' if (at + number) % 3 else ''
                      for at in range(OBJECTS))
        data = b''.join(block(text).ljust(OBJECT, b'\0') for text in texts)
        url = f'rbd://{fake_model.FSID}/images/{id_}/snap'
        if in_ceph:
            made = self._cluster.pool('images').add(
                id_, len(data), ORDER, contents=data.rstrip(b'\0'))
            self.pool('images').snapshots.create(made.name, 'snap')
        return GlanceImage(label, model.Image(
            id_, label, 'raw', 'bare', len(data), hash_algo='sha512',
            hash_value=hashlib.sha512(data).hexdigest(),
            locations=(url,) if in_ceph else ()), texts, data)

    # -- Cinder's database ---------------------------------------------------

    def new_volume(self, size: int) -> Named:
        id_ = f'{next(self._numbers):08d}-0000-4000-9000-000000000000'
        return Named(id_, f'volume-{id_}', size)

    def new_snapshot(self, volume: disks.Disk, is_operators: bool) -> Named:
        number = next(self._numbers)
        return Named(str(number), f'operators-{number}' if is_operators
                     else f'snapshot-{number}')

    def set_status(self, volume: disks.Disk, status: str) -> None:
        self._status[volume.real.id] = status

    def status_of(self, volume_id: str) -> str | None:
        return self._status.get(volume_id)

    # -- accidents -----------------------------------------------------------

    def found(self, volume: disks.Disk, target: str) -> str:
        """The pool of a volume whose host died when it moved it."""
        return disks.found(volume, self.pool(volume.pool), self.pool(target))

    def restart(self, host: Host) -> None:
        """What a dead host has held expires; another one begins."""
        for leases, lease in host.calls.leases:
            leases.release(lease)
        host.start()

    def expire(self) -> None:
        """What was to last until a guest has opened its volume is over."""
        for pool in self._cluster.pools.values():
            for name in list(pool.leases):
                if name.startswith('unflatten-'):
                    del pool.leases[name]

    def time_passes(self) -> None:
        """Between two operations; whoever lives has given leases back."""
        self.expire()
        held = [name for pool in self._cluster.pools.values()
                for name in pool.leases]
        assert not held, f'leases that nobody gives back: {held}'

    def misfortune(self, _choices: Any) -> None:
        """The cluster itself works."""

    def calm(self) -> None:
        """It always did."""

    # -- guests and operators ------------------------------------------------

    @contextlib.contextmanager
    def guests_at_work(self, _machine: Any) -> Iterator[None]:
        """They write between two calls of a host, when the machine says."""
        yield

    def _find(self, volume: disks.Disk) -> fake_model.Image:
        return self._cluster.pool(volume.pool).find(volume.real.name)

    def identity(self, volume: disks.Disk) -> str:
        return self._find(volume).id

    def open(self, volume: disks.Disk) -> None:
        self._find(volume).watchers += 1

    def shut(self, volume: disks.Disk) -> None:
        self._find(volume).watchers -= 1

    def write(self, volume: disks.Disk, number: int, text: str) -> None:
        self._find(volume).write(number * OBJECT, block(text))

    def read(self, disk: disks.Disk) -> tuple[list[str], int]:
        found = self._find(disk.of or disk)
        size, contents = found.size, found.contents
        if disk.of:
            snapshot = found.snapshot(disk.real.name)
            assert snapshot, f'{disk} is gone'
            size, contents = snapshot.size, snapshot.contents
        texts = [contents[at * OBJECT:at * OBJECT + BLOCK]
                 for at in range(OBJECTS)]
        return [text.rstrip(b'\0').decode() for text in texts], (
            size // model.GIB)

    def await_flatten(self, _host: Host, _volume: disks.Disk) -> None:
        """It is done, or waits for its turn."""

    def operators_snapshot(self, new: disks.Disk) -> None:
        self.pool(new.pool).snapshots.create(new.of.real.name, new.real.name)

    def operator_removes(self, snapshot: disks.Disk) -> None:
        self.pool(snapshot.pool).snapshots.remove(snapshot.of.real.name,
                                                  snapshot.real.name)

    def roll_back(self, volume: disks.Disk, snapshot: disks.Disk) -> None:
        """What librbd does; the object map changes as with every write."""
        image = self._find(volume)
        found = image.snapshot(snapshot.real.name)
        assert found
        image.resize(found.size)
        image.contents = found.contents
        every = range(OBJECTS)
        image.own.update(every)
        if not self._reverts_show:
            return
        for one in image.snapshots:
            one.changed.update(every)

    # -- the end -------------------------------------------------------------

    def tidy(self) -> None:
        """What an operator does who wants to see nothing left."""
        for host in self.hosts:
            host.resume()
            for pool in disks.POOLS:
                store = host.on(pool).store
                for one in store.entries():
                    store.retire(one.name)
            host.sweep(_DAY)
            host.purge()
            host.repair()

    def images_left(self) -> list[str]:
        """Whatever there is in the pools of volumes, and in Glance's."""
        left = [f'{pool}/{image.name}{" in the trash" * image.trashed}'
                for pool in disks.POOLS
                for image in self._cluster.pool(pool).images]
        for image in self._cluster.pool('images').images:
            left += [f'{image.name}@{one.name}' for one in image.snapshots
                     if one.name != 'snap' or not one.seen]
        return left

    def objects_left(self) -> list[str]:
        """There are only images here."""
        return []


def block(text: str) -> bytes:
    """A text as it is stored."""
    return text.encode().ljust(BLOCK, b'\0')
