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
"""No snapshot reads a wrong byte because its image is being flattened.

Whoever makes it, before, during or after the flatten, and whatever happens to
the client that flattens.
"""

import contextlib
import hashlib
import pathlib
import random
import signal
import subprocess
import sys
import threading

import pytest
import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import flatten as ceph_flatten
from rbd_imgdriver.ceph.images import object_maps
from rbd_imgdriver.chain import flatten
from rbd_imgdriver.chain import intents
from rbd_imgdriver.chain import names
from sandbox import polling
from tests.functional import host

OBJECTS = 160
FEATURES = 61
USERS = 63  # without the bits that Ceph sets by itself

pytestmark = pytest.mark.parametrize('clone_format', [2], ids=['v2'],
                                     indirect=True)


def block(number: int) -> bytes:
    return (f'a{number};'.encode() * 4096)[:4096]


class Family:
    """A parent with data in many objects, and clones of it."""

    def __init__(self, driver, disks, admin) -> None:
        self.driver = driver
        self.pool = driver._pool
        self.disks = disks
        self.parent = host.volume()
        driver.create_volume(self.parent)
        with disks.open(self.parent.name, read_only=False) as image:
            writes = [image.aio_write(block(number), number * disks.OBJECT,
                                      lambda _: None)
                      for number in range(OBJECTS)]
            for one in writes:
                one.wait_for_complete_and_cb()

    def clone(self):
        made = host.volume()
        self.driver.create_cloned_volume(made, self.parent)
        return made

    def wrong(self, name: str, snapshot: str | None = None,
              own: dict[int, bytes] | None = None) -> list[int]:
        """The objects that do not read as they should.

        :param own: what was written into some of them
        """
        own = own or {}
        with self._opened(name, snapshot) as image:
            return [number for number in range(OBJECTS)
                    if image.read(number * self.disks.OBJECT, 4096)
                    != own.get(number, block(number))]

    @contextlib.contextmanager
    def _opened(self, name: str, snapshot: str | None):
        """Librbd refuses to open a snapshot whose object map is just made.

        Or just removed: that lasts for a moment, and is not a wrong byte.
        """
        images: list[rbd.Image] = []
        with contextlib.ExitStack() as stack:
            def is_open() -> bool:
                with contextlib.suppress(rbd.ImageNotFound):
                    images.append(stack.enter_context(
                        self.disks.open(name, snapshot=snapshot)))
                return bool(images)

            assert polling.wait_until(is_open, 60), f'no {name}@{snapshot}'
            yield images[0]

    def is_whole(self, name: str) -> bool:
        """Whether its object maps are on and believed, snapshots' too."""
        with self.disks.open(name) as image:
            flags = image.flags()
            for one in list(image.list_snaps()):
                image.set_snap_by_id(one['id'])
                flags |= image.flags()
            features = image.features()
        return (features & USERS == FEATURES and not flags
                and object_maps.KEY not in self.pool.headers.metadata(name))

    def features(self, name: str) -> int:
        with self.disks.open(name) as image:
            return image.features() & USERS

    def want(self, name: str) -> str:
        """Record the intent to flatten it, and do nothing yet."""
        id_ = self.pool.directory.id(name)
        intent = intents.Intent(id_, self.pool.ancestry.parent(id_))
        self.pool.headers.update_id(id_, {intents.KEY: intents.value(intent)})
        return id_

    def finish(self, name: str) -> None:
        """Do what the next start of a host does, until nothing is left."""
        flattener = self.driver._chains.flattener

        def is_done() -> bool:
            self.driver._chains.resume()
            assert polling.wait_until(lambda: not flattener._running, 60,
                                      0.05)
            return object_maps.KEY not in self.pool.headers.metadata(name)

        assert polling.wait_until(is_done, 120, 0.2)


@pytest.fixture
def family(driver, disks, admin) -> Family:
    return Family(driver, disks, admin)


class Watched(ceph_flatten.Progress):
    """Lets something happen at some point of a flatten."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self._at = at
        self.reached = threading.Event()

    def __call__(self, done: int, total: int) -> int:
        if done >= total * self._at:
            self.reached.set()
        return super().__call__(done, total)


@contextlib.contextmanager
def running(action, progress: Watched):
    """Run a flatten beside the block, from some point of it on."""
    def run() -> None:
        try:
            action()
        finally:
            progress.reached.set()

    thread = threading.Thread(target=run)
    thread.start()
    progress.reached.wait(60)
    try:
        yield
    finally:
        thread.join()


def test_librbds_flatten_loses_bytes(family, cluster, disks):
    """Why object maps are switched off."""
    lost = []
    chance = random.Random(1)
    for _ in range(8):
        clone = family.clone()
        progress = Watched(chance.uniform(0.05, 0.9))

        def flatten_as_rbd_does(name=clone.name, progress=progress) -> None:
            with disks.open(name, read_only=False) as image:
                image.flatten(on_progress=progress)

        with running(flatten_as_rbd_does, progress), \
                cluster.connection('cinder') as other, \
                other.open_ioctx('volumes') as ioctx, \
                rbd.Image(ioctx, clone.name) as image:
            image.create_snap('t')
        lost += family.wrong(clone.name, 't')
        if lost:
            return
    pytest.skip('this Ceph loses none')


@pytest.mark.parametrize('seed', range(4))
def test_a_snapshot_by_another_client(family, cluster, seed):
    clone = family.clone()
    id_ = family.want(clone.name)
    progress = Watched(random.Random(seed).uniform(0, 0.95))
    with running(lambda: flatten.run(family.pool, id_, progress,
                                     names.Names()), progress), \
            cluster.connection('cinder') as other, \
            other.open_ioctx('volumes') as ioctx:
        with rbd.Image(ioctx, clone.name) as image:
            image.create_snap('backup.1')
        assert family.wrong(clone.name, 'backup.1') == []
    assert family.wrong(clone.name, 'backup.1') == []
    assert family.wrong(clone.name) == []
    family.finish(clone.name)
    assert family.is_whole(clone.name)
    assert family.wrong(clone.name, 'backup.1') == []


def test_a_snapshot_of_a_copy_that_is_being_made(ours, family, cluster):
    """A full copy is a clone that is flattened at once."""
    driver = ours(rbd_max_clone_depth=0)
    family.driver.create_snapshot(host.snapshot(family.parent))
    copy = host.volume()
    thread = threading.Thread(target=driver.create_cloned_volume,
                              args=(copy, family.parent))
    thread.start()
    with cluster.connection('cinder') as other, \
            other.open_ioctx('volumes') as ioctx:
        def make_snapshot() -> bool:
            try:
                with rbd.Image(ioctx, copy.name) as image:
                    if image.size() < 2**30:
                        return False
                    image.create_snap('theirs')
            except rbd.ImageNotFound:
                return False
            return True

        made = polling.wait_until(make_snapshot, 60, 0.001)
    thread.join()
    assert made
    family.finish(copy.name)
    # Whether the copy still has its parent depends on which came first: a
    # snapshot from before the flatten needs it.  What both hold does not.
    assert family.wrong(copy.name, 'theirs') == []
    assert family.wrong(copy.name) == []
    assert family.is_whole(copy.name)


@pytest.mark.parametrize('features', [1, 5, 37])
def test_an_image_without_object_maps(family, cluster, admin, features):
    snapshot = host.snapshot(family.parent)
    family.driver.create_snapshot(snapshot)
    clone = host.volume()
    with admin.open_ioctx('volumes') as ioctx:
        rbd.RBD().clone(ioctx, family.parent.name, snapshot.name, ioctx,
                        clone.name, features=features)
    id_ = family.want(clone.name)
    progress = Watched(0.4)
    with running(lambda: flatten.run(family.pool, id_, progress,
                                     names.Names()), progress), \
            cluster.connection('cinder') as other, \
            other.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, clone.name) as image:
        image.create_snap('theirs')
    assert family.wrong(clone.name) == []
    assert family.wrong(clone.name, 'theirs') == []
    with family.disks.open(clone.name) as image:
        assert image.features() & USERS == features
    assert object_maps.KEY not in family.pool.headers.metadata(clone.name)


@pytest.mark.parametrize('where', [
    'update_features(off)-before', 'update_features(off)-after', 'flatten',
    'flatten-after', 'update_features(on)-after',
    'rebuild_object_map-after'])
@pytest.mark.timeout(300)
@pytest.mark.usefixtures('short_watches')
def test_a_host_that_is_killed(family, conf, cluster, admin, where):
    """The next start finishes its work, whatever was done meanwhile."""
    clone = family.clone()
    killed = subprocess.run(
        [sys.executable, '-W', 'ignore', '-m',
         'tests.functional.chain.mortal_flattener', conf, 'volumes',
         clone.name, where], cwd=pathlib.Path(__file__).parents[3],
        capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    assert object_maps.KEY in family.pool.headers.metadata(clone.name)
    name = flatten.lease_name(family.pool.directory.id(clone.name))
    with admin.open_ioctx('volumes') as ioctx:
        ioctx.rm_xattr('rbd-imgdriver.leases', f'lock.{name}')  # expires
    with cluster.connection('cinder') as other, \
            other.open_ioctx('volumes') as ioctx:
        with rbd.Image(ioctx, clone.name) as image:
            image.create_snap('theirs')
            image.write(b'x' * 4096, 0)
    own = {0: b'x' * 4096}
    assert family.wrong(clone.name, 'theirs') == []
    assert family.wrong(clone.name, own=own) == []
    family.finish(clone.name)
    assert family.is_whole(clone.name)
    assert family.wrong(clone.name, 'theirs') == []
    assert family.wrong(clone.name, own=own) == []
    with family.disks.open(clone.name, read_only=False) as image:
        image.remove_snap('theirs')
    family.finish(clone.name)
    assert family.disks.parent(clone.name) is None
    assert family.wrong(clone.name, own=own) == []
    assert family.is_whole(clone.name)


@pytest.mark.parametrize('where', ['update_features(off)-before', 'flatten',
                                   'flatten-after'])
@pytest.mark.timeout(600)
def test_a_host_that_stands_still_beyond_its_lease(family, conf, admin, hold,
                                                   where):
    """What it does when it goes on harms no byte of what was made since."""
    clone, made = family.clone(), host.volume()
    snapshot = host.snapshot(clone)
    still = subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-m',
         'tests.functional.chain.mortal_flattener', conf, 'volumes',
         clone.name, where, 'STOP'], cwd=pathlib.Path(__file__).parents[3])
    try:
        status = pathlib.Path(f'/proc/{still.pid}/status')
        assert polling.wait_until(
            lambda: 'State:\tT' in status.read_text(), 120)
        name = flatten.lease_name(family.pool.directory.id(clone.name))
        with admin.open_ioctx('volumes') as ioctx:
            ioctx.rm_xattr('rbd-imgdriver.leases', f'lock.{name}')  # expires
        family.driver.create_snapshot(snapshot)
        family.driver.create_volume_from_snapshot(made, snapshot)
        guest = hold(f'volumes/{made.name}')
        guest.write(159 * 2**22, 4096, 'g')
        still.send_signal(signal.SIGCONT)
        still.wait(timeout=240)
    finally:
        still.kill()
    family.finish(clone.name)
    own = {159: b'g' * 4096}
    assert family.wrong(clone.name, snapshot.name) == []
    assert family.wrong(clone.name) == []
    assert family.wrong(made.name, own=own) == []
    for number in (0, 80, 158):
        assert guest.read(number * 2**22, 4096) == hashlib.sha256(
            block(number)).hexdigest()


PLAIN = rbd.Image


class Refused(rbd.Image):
    """An image whose object maps a client that took the lock does not rebuild.

    Not within the test, as :class:`Late`: an image that is collected closes
    itself, and its class must not have been collected before.

    :ivar switching_on: called before the maps are switched on
    """

    switching_on = staticmethod(lambda: None)

    def update_features(self, features: int, enabled: bool) -> None:
        if enabled:
            self.switching_on()
        super().update_features(features, enabled)

    def rebuild_object_map(self) -> None:
        raise rbd.InvalidArgument('refused', 22)


class Late(rbd.Image):
    """An image of which snapshots are made at the end of a flatten.

    :ivar rebuilt: called when the map of the image is rebuilt
    :ivar closed: called when it, or one of its snapshots, has been closed
    """

    rebuilt = staticmethod(lambda: None)
    closed = staticmethod(lambda: None)

    def rebuild_object_map(self) -> None:
        super().rebuild_object_map()
        if not any(True for _ in self.list_snaps()):
            self.rebuilt()

    def close(self) -> None:
        super().close()
        self.closed()


@contextlib.contextmanager
def another_client(cluster):
    with cluster.connection('cinder') as other, \
            other.open_ioctx('volumes') as ioctx:
        yield ioctx


def snapshots_by_another(cluster, image: str, *names_: str) -> list[int]:
    """Make snapshots as a backup does; returns their ids."""
    with another_client(cluster) as ioctx, PLAIN(ioctx, image) as opened:
        for name in names_:
            opened.create_snap(name)
        return [opened.snap_get_id(name) for name in names_]


def test_maps_that_cannot_be_rebuilt(family, cluster, monkeypatch):
    """A client that takes the lock just then may refuse to rebuild them."""
    clone = family.clone()
    id_ = family.want(clone.name)
    with monkeypatch.context() as patch:
        patch.setattr(Refused, 'switching_on', staticmethod(
            lambda: snapshots_by_another(cluster, clone.name, 'backup.1')))
        patch.setattr(rbd, 'Image', Refused)
        with pytest.raises(errors.CephError, match='refused'):
            flatten.run(family.pool, id_, ceph_flatten.Progress(),
                        names.Names())
    assert family.features(clone.name) == FEATURES & ~object_maps.FEATURES
    with family.disks.open(clone.name, snapshot='backup.1'):
        pass
    assert family.wrong(clone.name, 'backup.1') == []
    family.finish(clone.name)
    assert family.is_whole(clone.name)
    assert family.wrong(clone.name, 'backup.1') == []


def test_a_snapshot_without_a_map(family, cluster, monkeypatch):
    """None stays so while maps are on: nobody could open it.

    Seen once, on a busy machine, with a snapshot that a backup had made.
    """
    clone = family.clone()
    id_ = family.want(clone.name)
    maps: list[str] = []

    def rebuilt() -> None:
        maps.extend(object_maps.object_of(id_, one)
                    for one in snapshots_by_another(
                        cluster, clone.name, 'backup.1', 'backup.2'))

    def closed() -> None:
        if len(maps) > 1:
            with another_client(cluster) as ioctx:
                ioctx.remove_object(maps.pop())

    with monkeypatch.context() as patch:
        patch.setattr(Late, 'rebuilt', staticmethod(rebuilt))
        patch.setattr(Late, 'closed', staticmethod(closed))
        patch.setattr(rbd, 'Image', Late)
        flatten.run(family.pool, id_, ceph_flatten.Progress(), names.Names())
    assert len(maps) == 1
    assert family.features(clone.name) == FEATURES & ~object_maps.FEATURES
    for name in 'backup.1', 'backup.2':
        assert family.wrong(clone.name, name) == []
    family.finish(clone.name)
    assert family.is_whole(clone.name)
    for name in 'backup.1', 'backup.2':
        assert family.wrong(clone.name, name) == []


def test_an_image_that_is_open_is_left_alone(family, hold):
    clone = family.clone()
    guest = hold(f'volumes/{clone.name}')
    flattener = family.driver._chains.flattener
    flattener.request(family.pool, clone.name)
    assert not flattener.settle(family.pool, clone.name, 30)
    assert family.is_whole(clone.name)
    assert family.disks.parent(clone.name) is not None
    guest.close()
    assert flattener.settle(family.pool, clone.name, 60)
    assert family.disks.parent(clone.name) is None
    assert family.is_whole(clone.name)


@pytest.mark.parametrize('at', [0, 0.5])
def test_a_guest_that_comes_meanwhile(family, hold, cluster, at):
    """It writes, and so librbd gives the lock and the flatten to it.

    For a client that opens an image between the look and the flatten.
    """
    clone = family.clone()
    id_ = family.want(clone.name)
    progress = Watched(at)
    with running(lambda: flatten.run(family.pool, id_, progress,
                                     names.Names()), progress):
        guest = hold(f'volumes/{clone.name}')
        guest.write(159 * 2**22, 4096, 'g')
        with cluster.connection('cinder') as other, \
                other.open_ioctx('volumes') as ioctx, \
                rbd.Image(ioctx, clone.name) as image:
            image.create_snap('backup.1')
        guest.write(158 * 2**22, 4096, 'h')
    at_snapshot = {159: b'g' * 4096}
    at_end = {159: b'g' * 4096, 158: b'h' * 4096}
    assert family.wrong(clone.name, 'backup.1', own=at_snapshot) == []
    assert family.wrong(clone.name, own=at_end) == []
    guest.close()
    family.finish(clone.name)
    assert family.is_whole(clone.name)
    assert family.wrong(clone.name, 'backup.1', own=at_snapshot) == []
    assert family.wrong(clone.name, own=at_end) == []


def test_an_attachment_ends_it(family):
    """And none begins before the guest has opened the volume."""
    clone = family.clone()
    id_ = family.want(clone.name)
    progress = Watched(0.1)
    flattener = family.driver._chains.flattener
    with running(lambda: flatten.run(family.pool, id_, progress,
                                     names.Names()), progress):
        family.driver.initialize_connection(clone, {})
        assert family.pool.leases.holder(flatten.lease_name(id_)) is None
    assert progress.hurried or family.disks.parent(clone.name) is None
    before = family.disks.parent(clone.name)
    flattener.resume(family.pool)
    assert polling.wait_until(lambda: not flattener._running, 30, 0.05)
    assert family.disks.parent(clone.name) == before
    assert family.wrong(clone.name) == []


def test_the_drivers_snapshot(family):
    """It ends the flatten, or awaits it, before it is made."""
    clone = family.clone()
    id_ = family.want(clone.name)
    progress = Watched(0.1)
    with running(lambda: flatten.run(family.pool, id_, progress,
                                     names.Names()), progress), \
            family.driver._chains.flattener.held_off(family.pool, id_):
        family.pool.snapshots.create(clone.name, 'ours')
        assert family.pool.ancestry.parent(id_) is None or progress.hurried
    assert family.wrong(clone.name, 'ours') == []
    family.finish(clone.name)
    assert family.is_whole(clone.name)
    assert family.wrong(clone.name, 'ours') == []


def test_work_that_somebody_else_may_have_begun_stops(family):
    """A process that was suspended for longer than it may work."""
    clone = family.clone()
    id_ = family.want(clone.name)
    progress = ceph_flatten.Progress()
    progress.valid_until = 0
    with pytest.raises(Exception, match='ended early'):
        family.pool.clones.flatten(id_, progress)
    assert family.disks.parent(clone.name) is not None
    assert family.wrong(clone.name) == []
    family.finish(clone.name)
    assert family.is_whole(clone.name)


class Removing(rbd.Image):
    """An image one of whose snapshots goes at a certain moment.

    :ivar at: how: ``listed``, or ``opened``
    """

    at = ''
    others: list['Removing'] = []

    def __init__(self, *args: object, **which: object) -> None:
        super().__init__(*args, **which)
        if self.at == 'listed':
            self.others[0].remove_snap('theirs')

    def set_snap_by_id(self, snapshot):
        super().set_snap_by_id(snapshot)
        if self.at == 'opened':
            self.others[0].remove_snap('theirs')


@pytest.mark.parametrize('at', ['listed', 'opened'])
def test_a_snapshot_that_goes_while_maps_are_rebuilt(family, admin,
                                                     monkeypatch, at):
    """No object map outlives its snapshot."""
    clone = family.clone()
    with admin.open_ioctx('volumes') as ioctx, \
            Removing(ioctx, clone.name) as image:
        image.create_snap('theirs')
        id_ = image.id()
        monkeypatch.setattr(Removing, 'at', at)
        monkeypatch.setattr(Removing, 'others', [image])
        monkeypatch.setattr(rbd, 'Image', Removing)
        object_maps.switch_on(ioctx, image, object_maps.FEATURES)
        monkeypatch.undo()
    family.driver.delete_volume(clone)
    with admin.open_ioctx('volumes') as ioctx:
        assert [one.key for one in ioctx.list_objects()
                if one.key.startswith(f'rbd_object_map.{id_}')] == []
