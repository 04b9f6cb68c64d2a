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
"""Two whole drivers on a real Ceph, guests, an operator, and misfortune."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import itertools
import pathlib
import random
import subprocess
import threading
import time
from typing import Any

from cinder import context
from cinder import exception
import rados
import rbd

from rbd_imgdriver import backend
from rbd_imgdriver.cache import sweep
from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.chain import leaks
from rbd_imgdriver import model
from rbd_imgdriver.openstack import settings
from sandbox import ceph
from sandbox import polling
from tests.chaos import accidents
from tests.chaos import disks
from tests.chaos import faults as chaos_faults
from tests.chaos import leftovers
from tests.functional import conftest as functional
from tests.functional import host as cinder

OBJECTS = 64
OBJECT = 2**22
BLOCK = 4096
# Reads of a guest: a connection that fails has all of them sent again.
_AT_ONCE = 8
LIMIT = 2
CACHED = 2
_SMALL = 4  # objects of the images that are sent in full
_DAY = 86400.0
_SETTLED = 60.0  # seconds for flattens in the background
_TRIMMED = 240.0  # and for Ceph to remove what removed snapshots have held
_MAP_MISSING = 60.0  # and for a snapshot's object map
_LEASES = 'rbd-imgdriver.leases'

# What an operation may raise when Ceph does not work.
FAILURES = (exception.CinderException, ceph_errors.CephError, rbd.Error,
            rados.Error)


@dataclasses.dataclass(frozen=True)
class GlanceImage:
    """An image, and what it holds."""

    label: str
    meta: dict[str, Any]
    location: str | None
    path: pathlib.Path
    texts: tuple[str, ...]


def glance_images(cluster: ceph.Cluster,
                  directory: pathlib.Path) -> list[GlanceImage]:
    """Images as files, one of them in Glance's pool as well."""
    made = []
    for number, (label, disk_format, objects) in enumerate((
            ('raw in Ceph', 'raw', OBJECTS), ('raw', 'raw', _SMALL),
            ('another raw', 'raw', _SMALL), ('qcow2', 'qcow2', OBJECTS))):
        texts = tuple(f'image {number}, {at};' if at < objects else ''
                      for at in range(OBJECTS))
        path = directory / f'{number}.raw'
        with path.open('wb') as file:
            for at, text in enumerate(texts[:objects]):
                file.seek(at * OBJECT)
                file.write(block(text))
            file.truncate(objects * OBJECT)
        raw = path
        if disk_format == 'qcow2':
            path = directory / f'{number}.qcow2'
            subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O',
                            'qcow2', raw, path], check=True)
        meta = cinder.image_meta(path, disk_format)
        location = (_in_glances_pool(cluster, meta['id'], texts)
                    if number == 0 else None)
        made.append(GlanceImage(label, meta, location, path, texts))
    return made


def _in_glances_pool(cluster: ceph.Cluster, name: str,
                     texts: tuple[str, ...]) -> str:
    with cluster.connection() as admin, admin.open_ioctx('images') as ioctx:
        rbd.RBD().create(ioctx, name, OBJECTS * OBJECT, 22,
                         old_format=False, features=61)
        with rbd.Image(ioctx, name) as image:
            for number, text in enumerate(texts):
                image.write(block(text), number * OBJECT)
            image.create_snap('snap')
            image.protect_snap('snap')
        return f'rbd://{admin.get_fsid()}/images/{name}/snap'


class Host:
    """One cinder-volume, with a backend for each pool."""

    def __init__(self, world: 'CephWorld', name: str) -> None:
        self._world = world
        self._name = name
        self.is_busy = False
        self.drivers: dict[str, Any] = {}
        self.start()

    def __str__(self) -> str:
        return self._name

    def start(self) -> None:
        """Begin, with a client of its own."""
        self.calls = accidents.Calls()
        self.conf = self._world.new_conf(self._name.replace(' ', '-'))
        self.drivers = {pool: self._driver(pool) for pool in disks.POOLS}

    def stop(self) -> None:
        """End; what it has open is closed, as after a kill in the end."""
        for driver in self.drivers.values():
            if not self.calls.is_dead:
                cinder.end_flattens(driver)
            for progress in list(driver._chains.flattener._running.values()):
                progress.cancelled = True
        for driver in self.drivers.values():
            connection.cluster(driver._cluster_spec()).close(10)

    def _driver(self, pool: str) -> Any:
        world = self._world
        driver = cinder.make(
            world, pool, cls=world.driver_class, rbd_ceph_conf=self.conf,
            rbd_max_clone_depth=LIMIT, image_volume_cache_enabled=True,
            image_volume_cache_max_count=CACHED,
            rados_connect_timeout=world.timeout,
            rados_connection_retries=2)
        facts = settings.settings_of(driver.configuration,
                                     driver._cluster_spec())
        rules = dataclasses.replace(facts.chains.rules,
                                    status_of=world.status_of)
        driver._parts = backend.Backend(dataclasses.replace(
            facts, volume_pools=frozenset(disks.POOLS),
            imports=dataclasses.replace(
                facts.imports, volume_pools=frozenset(disks.POOLS)),
            chains=dataclasses.replace(facts.chains, rules=rules)))
        world.plug_in(driver)
        accidents.count(driver._pool, self.calls)
        return driver

    # -- what the driver does ------------------------------------------------

    def create(self, real: Any, image: GlanceImage) -> None:
        _, done = self.drivers['volumes'].clone_image(
            context.get_admin_context(), real, (image.location, None),
            image.meta, cinder.ImageService(image.path))
        if not done:
            raise exception.CinderException('Cinder has to do it')

    def clone(self, new: disks.Disk, source: disks.Disk) -> None:
        source.real.attach_status = ('attached' if source.is_attached
                                     else 'detached')
        self.drivers[source.pool].create_cloned_volume(new.real, source.real)

    def from_snapshot(self, new: disks.Disk, source: disks.Disk) -> None:
        self.drivers[source.pool].create_volume_from_snapshot(new.real,
                                                              source.real)

    def snapshot(self, new: disks.Disk) -> None:
        self.drivers[new.pool].create_snapshot(new.real)

    def extend(self, volume: disks.Disk, size: int) -> None:
        self.drivers[volume.pool].extend_volume(volume.real, size)

    def revert(self, volume: disks.Disk, snapshot: disks.Disk) -> None:
        self.drivers[volume.pool].revert_to_snapshot(None, volume.real,
                                                     snapshot.real)

    def flatten(self, volume: disks.Disk) -> None:
        driver = self.drivers[volume.pool]
        driver._chains.flattener.request(driver._pool, volume.real.name)

    def attach(self, volume: disks.Disk) -> None:
        self.drivers[volume.pool].initialize_connection(volume.real, {})

    def migrate(self, volume: disks.Disk, pool: str) -> None:
        volume.real.status = 'available'
        target = self.drivers[pool]
        target._update_volume_stats()
        self.drivers[volume.pool].migrate_volume(
            None, volume.real, {'host': 'x', 'capabilities': target._stats})

    def delete(self, volume: disks.Disk) -> None:
        self.drivers[volume.pool].delete_volume(volume.real)

    def delete_snapshot(self, snapshot: disks.Disk) -> None:
        self.drivers[snapshot.pool].delete_snapshot(snapshot.real)

    # -- what it does by itself, and what operators let it do ----------------

    def evict(self, number: int) -> None:
        store = self.drivers['volumes']._backend.store
        entries = [one.name for one in store.entries()]
        if entries:
            store.retire(entries[number % len(entries)])

    def sweep(self, later: float = 0.0) -> None:
        for driver in self.drivers.values():
            sweep.Sweep(driver._backend.store, lambda _: True,
                        clock=lambda: time.time() + later).run()

    def repair(self) -> None:
        for driver in self.drivers.values():
            looking = leaks.Leaks(
                driver._pool, driver._backend.settings.chains.rules,
                self._world.status_of)
            for leak in looking.find():
                looking.repair(leak)

    def resume(self) -> None:
        for driver in self.drivers.values():
            driver._chains.resume()

    def purge(self) -> None:
        for driver in self.drivers.values():
            driver._trash_purge()

    def settle(self) -> None:
        """Wait until nothing is flattened in the background."""
        for driver in self.drivers.values():
            flattener = driver._chains.flattener
            assert polling.wait_until(
                lambda one=flattener: not one._running, _SETTLED, 0.05)


class CephWorld:
    """The cluster, its hosts and guests, Glance and Cinder's database.

    :param images: of :func:`glance_images`
    :param directory: for configuration files
    :param seed: of what guests write beside the hosts
    :param faults: of the cluster; None: it works
    :param driver_class: of the hosts
    :param plug_in: given each driver, to make parts of it worse
    """

    objects = OBJECTS
    patience = 120.0  # seconds; a lease that is left expires after 50

    def __init__(self, cluster: ceph.Cluster, images: list[GlanceImage],
                 directory: pathlib.Path, seed: int,
                 faults: chaos_faults.Faults | None,
                 driver_class: type = cinder.Driver,
                 plug_in: Callable[[Any], None] = lambda _: None) -> None:
        self._cluster = cluster
        self.images = images
        self._directory = directory
        self._random = random.Random(seed)
        self._faults = faults
        self.driver_class = driver_class
        self.plug_in = plug_in
        self.timeout = -1
        if faults is not None and seed % 3 == 0:
            self.timeout = 8
        self.failures: tuple[type[Exception], ...] = (
            FAILURES if faults is not None else ())
        self._numbers = itertools.count()
        self._status: dict[str, str] = {}
        self._open: dict[disks.Disk, rbd.Image] = {}
        self._guest = self._client('cinder')
        self.hosts = [Host(self, 'host 1'), Host(self, 'host 2')]

    def close(self) -> None:
        """Let go of everything."""
        for image in self._open.values():
            image.close()
        for host in self.hosts:
            host.stop()
        self._guest.shutdown()

    def conf(self, user: str) -> str:
        """What a driver's maker asks of a cluster."""
        return self._cluster.conf(user)

    def new_conf(self, name: str) -> str:
        """A configuration file with which a process has its own client."""
        path = self._directory / f'{name}-{next(self._numbers)}.conf'
        path.write_text(pathlib.Path(self._cluster.conf('cinder')).read_text())
        return str(path)

    def _client(self, user: str) -> rados.Rados:
        client = rados.Rados(
            conffile=self._cluster.conf(user), rados_id=user,
            # What is read is what the OSDs have.
            conf={'rbd_cache': 'false', 'log_to_stderr': 'false'})
        client.connect()
        return client

    def found(self, volume: disks.Disk, target: str) -> str:
        """The pool of a volume whose host died when it moved it."""
        return disks.found(volume, *(
            functional.open_pool(self._cluster, pool)
            for pool in (volume.pool, target)))

    # -- Cinder's database ---------------------------------------------------

    def new_volume(self, size: int) -> Any:
        return cinder.volume(size)

    def new_snapshot(self, volume: disks.Disk, is_operators: bool) -> Any:
        if is_operators:
            return _Named(f'operators-{next(self._numbers)}')
        return cinder.snapshot(volume.real)

    def set_status(self, volume: disks.Disk, status: str) -> None:
        self._status[volume.real.id] = status

    def status_of(self, volume_id: str) -> str | None:
        return self._status.get(volume_id)

    # -- accidents -----------------------------------------------------------

    def restart(self, host: Host) -> None:
        """What a dead host has held expires; another one begins."""
        host.stop()
        with self._cluster.connection() as admin:
            for part, lease in host.calls.leases:
                with admin.open_ioctx(part.name) as ioctx, \
                        contextlib.suppress(rados.ObjectNotFound,
                                            rados.NoData):
                    ioctx.rm_xattr(_LEASES, f'lock.{lease.name}')
        host.start()

    def time_passes(self) -> None:
        """It does so by itself; but not the 2 minutes of an attachment."""
        with self._cluster.connection() as admin:
            for pool in disks.POOLS:
                with admin.open_ioctx(pool) as ioctx:
                    for name in leftovers.leases(ioctx):
                        if name.startswith('unflatten-'):
                            ioctx.rm_xattr(_LEASES, f'lock.{name}')

    def misfortune(self, choices: Any) -> None:
        """Let something happen to the cluster, or end it."""
        if self._faults is not None:
            self._faults.next(choices, self._clients())

    def _clients(self) -> list[str]:
        """The addresses of the hosts' clients."""
        return [connection.cluster(driver._cluster_spec())
                for host in self.hosts
                for driver in list(host.drivers.values())[:1]]

    def calm(self) -> None:
        """The cluster works again."""
        self.failures = ()
        if self._faults is not None:
            self._faults.end()

    # -- guests and operators ------------------------------------------------

    @contextlib.contextmanager
    def guests_at_work(self, machine: Any) -> Iterator[None]:
        """All attached volumes are written to as long as the block lasts."""
        over = threading.Event()
        errors: list[BaseException] = []

        def work() -> None:
            try:
                while not over.wait(self._random.random() / 50):
                    machine.guest_writes(self._random.choice,
                                         self._random.randint)
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        if errors:
            raise errors[0]

    @contextlib.contextmanager
    def _image(self, disk: disks.Disk, read_only: bool,
               snapshot: str | None = None) -> Iterator[rbd.Image]:
        with self._guest.open_ioctx(disk.pool) as ioctx, \
                _opened(ioctx, disk.real.name, snapshot, read_only) as image:
            yield image

    def identity(self, volume: disks.Disk) -> str:
        with self._image(volume, True) as image:
            return str(image.id())

    def open(self, volume: disks.Disk) -> None:
        with self._guest.open_ioctx(volume.pool) as ioctx:
            self._open[volume] = rbd.Image(ioctx, volume.real.name)

    def shut(self, volume: disks.Disk) -> None:
        self._open.pop(volume).close()

    def write(self, volume: disks.Disk, number: int, text: str) -> None:
        if volume in self._open:
            self._open[volume].write(block(text), number * OBJECT)
            return
        with self._image(volume, False) as image:
            image.write(block(text), number * OBJECT)

    def read(self, disk: disks.Disk) -> tuple[list[str], int]:
        if disk in self._open:
            return _texts(self._open[disk]), self._size(disk)
        with self._image(disk.of or disk, True,
                         disk.real.name if disk.of else None) as image:
            return _texts(image), image.size() // model.GIB

    def _size(self, disk: disks.Disk) -> int:
        with self._image(disk, True) as image:
            return int(image.size() // model.GIB)

    def await_flatten(self, host: Host, volume: disks.Disk) -> None:
        """Until it has begun, or is over."""
        flattener = host.drivers[volume.pool]._chains.flattener

        def has_begun() -> bool:
            return not flattener._running or any(
                one.done for one in list(flattener._running.values()))

        polling.wait_until(has_begun, 5, 0.001)

    def operators_snapshot(self, new: disks.Disk) -> None:
        assert new.of
        with self._image(new.of, False) as image:
            image.create_snap(new.real.name)

    def operator_removes(self, snapshot: disks.Disk) -> None:
        assert snapshot.of
        with contextlib.suppress(rbd.ImageNotFound), \
                self._image(snapshot.of, False) as image:
            image.remove_snap(snapshot.real.name)

    # -- the end -------------------------------------------------------------

    def tidy(self) -> None:
        """What an operator does who wants to see nothing left."""
        for host in self.hosts:
            host.resume()
            host.settle()
            for driver in host.drivers.values():
                store = driver._backend.store
                for one in store.entries():
                    store.retire(one.name)
            host.sweep(_DAY)
            host.purge()
            host.repair()

    def images_left(self) -> list[str]:
        """Whatever there is in the pools of volumes, and in Glance's."""
        with self._cluster.connection() as admin:
            return [one for pool in disks.POOLS
                    for one in leftovers.images(admin, pool)
                    ] + leftovers.clones(admin, 'images')

    def objects_left(self) -> list[str]:
        """RADOS objects, omap keys and leases.

        What only snapshots have held Ceph itself removes, after a while.
        """
        found: list[str] = []
        with self._cluster.connection() as admin:
            def is_empty() -> bool:
                found[:] = [one for pool in disks.POOLS
                            for one in leftovers.objects(admin, pool)]
                return not found

            polling.wait_until(is_empty, _TRIMMED)
        return found

    def clear(self) -> None:
        """Remove by force what a failed seed has left."""
        functional.empty(self._cluster, disks.POOLS)
        with self._cluster.connection() as admin:
            for pool in disks.POOLS:
                with admin.open_ioctx(pool) as ioctx, \
                        contextlib.suppress(rados.ObjectNotFound):
                    ioctx.remove_object(_LEASES)


@dataclasses.dataclass(frozen=True)
class _Named:
    name: str


def block(text: str) -> bytes:
    """A text as it is stored: all of the block says it."""
    return (text.encode() * BLOCK)[:BLOCK] if text else bytes(BLOCK)


def _opened(ioctx: rados.Ioctx, name: str, snapshot: str | None,
            read_only: bool) -> rbd.Image:
    """A snapshot's map may be missing for a moment: then librbd refuses."""
    until = time.monotonic() + _MAP_MISSING
    while True:
        try:
            return rbd.Image(ioctx, name, snapshot=snapshot,
                             read_only=read_only)
        except rbd.ImageNotFound:
            if snapshot is None or time.monotonic() > until:
                raise


def _texts(image: rbd.Image) -> list[str]:
    """The texts of all blocks; what is none is shown as it begins."""
    found: list[bytes | None] = [None] * OBJECTS
    for first in range(0, OBJECTS, _AT_ONCE):
        done = []
        for number in range(first, min(first + _AT_ONCE, OBJECTS)):
            def keep(_: Any, data: bytes | None, at: int = number) -> None:
                found[at] = data

            done.append(image.aio_read(number * OBJECT, BLOCK, keep))
        for one in done:
            one.wait_for_complete_and_cb()
    return [_text(data) for data in found]


def _text(data: bytes | None) -> str:
    assert data is not None, 'a read without an answer'
    if data == bytes(BLOCK):
        return ''
    text = data[:data.find(b';') + 1].decode(errors='replace')
    return text if data == block(text) else f'not {data[:40]!r}'
