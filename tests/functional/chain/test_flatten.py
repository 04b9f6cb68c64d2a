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
"""Flattening in the background: once, to the end, or not at all."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from rbd_imgdriver.ceph.images import flatten as ceph_flatten
from rbd_imgdriver.ceph.wire import leases
from rbd_imgdriver.chain import delete
from rbd_imgdriver.chain import flatten
from rbd_imgdriver.chain import flattener
from rbd_imgdriver.chain import intents
from rbd_imgdriver.chain import names
from sandbox import polling
from tests.functional import host

OBJECTS = 30

# The work is the same for clones of both formats; that they are flattened
# right is in test_clone.py and test_machine.py.
pytestmark = pytest.mark.parametrize('clone_format', [2], ids=['v2'],
                                     indirect=True)


class Slow(ceph_flatten.Progress):
    """Makes a flatten of a volume of 1 GiB take many seconds."""

    def __call__(self, done: int, total: int) -> int:
        if not self.cancelled:
            threading.Event().wait(0.1)
        return super().__call__(done, total)


@pytest.fixture
def source(driver, disks):
    """A volume whose clones take a moment to flatten."""
    source = host.volume()
    driver.create_volume(source)
    with disks.open(source.name, read_only=False) as image:
        for number in range(OBJECTS):
            image.write(bytes([number + 1]) * disks.OBJECT,
                        number * disks.OBJECT)
    return source


@pytest.fixture
def clone(driver, source):
    made = host.volume()
    driver.create_cloned_volume(made, source)
    return made


def other_host():
    """Another process's flattener, as far as Ceph knows."""
    return flattener.Flattener(3, names.Names())


def until(condition, what: str) -> None:
    assert polling.wait_until(condition, 60, 0.01), what


def is_flattening(pool, image_id: str) -> bool:
    return pool.leases.holder(flatten.lease_name(image_id)) is not None


def want(pool, image_id: str) -> None:
    """Record the intent, and do nothing yet."""
    intent = intents.Intent(image_id, pool.ancestry.parent(image_id))
    pool.headers.update_id(image_id, {intents.KEY: intents.value(intent)})


@contextlib.contextmanager
def slowly(pool, image_id: str):
    """Begin a flatten as another host would; ends it after the block."""
    want(pool, image_id)
    progress = Slow()
    thread = threading.Thread(target=flatten.run, args=(
        pool, image_id, progress, names.Names()))
    thread.start()
    try:
        until(lambda: is_flattening(pool, image_id), 'it does not begin')
        yield thread
    finally:
        progress.cancelled = True
        thread.join()


def begin(driver, clone) -> str:
    """Ask for a flatten and wait until it is under way."""
    pool = driver._pool
    image_id = pool.directory.id(clone.name)
    driver._chains.flattener.request(pool, clone.name)
    until(lambda: is_flattening(pool, image_id), 'it does not begin')
    return image_id


def test_to_the_end(driver, clone, disks):
    pool = driver._pool
    before = disks.digest(clone.name, OBJECTS)
    driver._chains.flattener.request(pool, clone.name)
    assert driver._chains.flattener.settle(pool, clone.name, 60)
    assert pool.ancestry.depth(clone.name) == 0
    assert disks.digest(clone.name, OBJECTS) == before
    assert not [key for key in pool.headers.metadata(clone.name)
                if key.startswith('rbd-imgdriver/flatten')]


def test_what_is_no_clone(driver, pool):
    pool = driver._pool
    volume = host.volume()
    driver.create_volume(volume)
    driver._chains.flattener.request(pool, volume.name)
    assert driver._chains.flattener.settle(pool, volume.name, 1)
    assert pool.headers.metadata(volume.name) == {}


def test_deletion_ends_it(driver, clone, contents):
    pool = driver._pool
    began = time.monotonic()
    image_id = begin(driver, clone)
    driver.delete_volume(clone)
    assert time.monotonic() - began < 10
    assert clone.name not in contents()[0]
    assert not is_flattening(pool, image_id)


def test_deletion_ends_it_on_another_host(driver, clone, contents):
    pool = driver._pool
    begin(driver, clone)
    there = delete.Deleter(pool, names.Names(), other_host(), None, 15.0)
    there.delete(clone.name)
    assert clone.name not in contents()[0]


def test_a_snapshot_waits_or_ends_it(driver, clone, disks):
    """Either way nobody cuts the image from its parent afterwards."""
    pool = driver._pool
    image_id = begin(driver, clone)
    snapshot = host.snapshot(clone)
    driver.create_snapshot(snapshot)
    assert not is_flattening(pool, image_id)
    depth = pool.ancestry.depth(clone.name)
    driver._chains.flattener.resume(pool)
    driver._chains.flattener.settle(pool, clone.name, 10)
    assert pool.ancestry.depth(clone.name) == depth


def test_a_snapshot_by_another_program_ends_it(driver, source, clone,
                                               disks):
    """Cinder's backup driver makes snapshots without asking anybody.

    If librbd has handed the flatten over to that program it goes on; then
    the parent stays, because the snapshot's readers may still need it.
    """
    pool = driver._pool
    with slowly(pool, pool.directory.id(clone.name)) as thread:
        with disks.open(clone.name, read_only=False) as image:
            image.create_snap('backup.1')
        thread.join(30)
        assert not thread.is_alive()
    assert intents.KEY in pool.headers.metadata(clone.name)
    assert disks.snapshots(source.name) == [f'{clone.name}.clone_snap']


def test_never_twice_at_once(driver, clone):
    pool = driver._pool
    image_id = begin(driver, clone)
    holder = pool.leases.holder(flatten.lease_name(image_id))
    another = other_host()
    another.resume(pool)
    until(lambda: not another._running, 'it does not give up')
    assert holder['host']
    assert driver._chains.flattener.settle(pool, clone.name, 60)
    assert pool.ancestry.depth(clone.name) == 0


def test_who_loses_the_lease_stops(driver, clone, admin):
    """A process that was suspended for longer than its lease."""
    pool = driver._pool
    image_id = pool.directory.id(clone.name)
    theirs = leases.Lease(flatten.lease_name(image_id), 'theirs', 60)
    with slowly(pool, image_id) as thread:
        with admin.open_ioctx('volumes') as ioctx:
            ioctx.rm_xattr('rbd-imgdriver.leases', f'lock.{theirs.name}')
        assert pool.leases.acquire(theirs, {'host': 'other'})
        thread.join(30)
        assert not thread.is_alive()
    assert pool.ancestry.depth(clone.name) == 1
    assert pool.leases.holder(theirs.name) == {'host': 'other'}
    pool.leases.release(theirs)


WORKER = """
import sys
from rbd_imgdriver.ceph import connection, pool
from rbd_imgdriver.ceph.images import flatten
from rbd_imgdriver.chain import flatten as chain_flatten, intents, names
import threading
class Slow(flatten.Progress):
    def __call__(self, done, total):
        threading.Event().wait(0.2)
        return super().__call__(done, total)
spec = connection.ClusterSpec('ceph', sys.argv[1], 'cinder')
volumes = pool.Pool(connection.cluster(spec), 'volumes')
id_ = volumes.directory.id(sys.argv[2])
intent = intents.Intent(id_, volumes.ancestry.parent(id_))
volumes.headers.update_id(id_, {intents.KEY: intents.value(intent)})
print('begins', flush=True)
chain_flatten.run(volumes, id_, Slow(), names.Names())
"""


def test_another_host_finishes_what_a_dead_one_began(driver, clone,
                                                     conf, disks):
    pool = driver._pool
    before = disks.digest(clone.name, OBJECTS)
    image_id = pool.directory.id(clone.name)
    worker = subprocess.Popen([sys.executable, '-W', 'ignore', '-c', WORKER,
                               conf, clone.name], stdout=subprocess.PIPE,
                              text=True)
    assert worker.stdout.readline() == 'begins\n'
    until(lambda: is_flattening(pool, image_id), 'it does not begin')
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    assert pool.ancestry.depth(clone.name) == 1
    assert intents.KEY in pool.headers.metadata(clone.name)
    until(lambda: not is_flattening(pool, image_id), 'the lease stays')
    driver._chains.resume()
    assert driver._chains.flattener.settle(pool, clone.name, 60)
    assert pool.ancestry.depth(clone.name) == 0
    assert disks.digest(clone.name, OBJECTS) == before


def test_what_was_released_too_late_is_released_by_the_next(driver, pool,
                                                            disks):
    """Killed after the flatten, before the parent's snapshot was removed."""
    pool = driver._pool
    source, made = host.volume(), host.volume()
    driver.create_volume(source)
    driver.create_cloned_volume(made, source)
    image_id = pool.directory.id(made.name)
    want(pool, image_id)
    pool.clones.flatten(image_id, ceph_flatten.Progress())
    assert disks.snapshots(source.name) == [f'{made.name}.clone_snap']
    driver._chains.resume()
    assert driver._chains.flattener.settle(pool, made.name, 60)
    assert disks.snapshots(source.name) == []


def test_no_more_at_once_than_allowed(ours, disks):
    driver = ours(rbd_concurrent_flatten_operations=2)
    pool = driver._pool
    source = host.volume()
    driver.create_volume(source)
    with disks.open(source.name, read_only=False) as image:
        image.write(b'x' * 2**22, 0)
    snapshot = host.snapshot(source)
    driver.create_snapshot(snapshot)
    made = [host.volume() for _ in range(6)]
    most = 0
    for one in made:
        driver.create_volume_from_snapshot(one, snapshot)
    for one in made:
        driver._chains.flattener.request(pool, one.name)
    while any(intents.KEY in pool.headers.metadata(one.name) for one in made):
        most = max(most, len(driver._chains.flattener._running))
    assert most == 2
    assert [pool.ancestry.depth(one.name) for one in made] == [0] * 6


def test_progress_is_visible(driver, clone, caplog):
    pool = driver._pool
    image_id = pool.directory.id(clone.name)
    with caplog.at_level('INFO', 'rbd_imgdriver'), slowly(pool, image_id):
        until(lambda: pool.headers.value(image_id, intents.PROGRESS_KEY),
              'no progress')
        assert 0 < int(pool.headers.value(image_id,
                                          intents.PROGRESS_KEY)) < 100
    assert any(f'Flattening image id {image_id}' in one
               for one in caplog.messages)


def test_an_inherited_intent_is_not_meant_for_the_clone(driver, clone,
                                                        intree):
    """Cinder's driver copies metadata to its clones."""
    pool = driver._pool
    want(pool, pool.directory.id(clone.name))
    child = host.volume()
    intree.create_cloned_volume(child, clone)
    assert intents.KEY in pool.headers.metadata(child.name)
    assert driver._chains.flattener.settle(pool, child.name, 0)
    driver._chains.resume()
    until(lambda: not driver._chains.flattener._running, 'it does not end')
    assert pool.ancestry.depth(child.name) == 2


def test_nobody_looks_at_images_that_want_nothing(driver, clone):
    """Only what is known to be unfinished is looked at, until it is not."""
    flattener, pool = driver._chains.flattener, driver._pool
    image_id = pool.directory.id(clone.name)
    want(pool, image_id)

    flattener.resume(pool)
    assert flattener.waiting == 0
    assert not flattener._running

    flattener.look_everywhere(pool)
    assert pool.unfinished.ids() == {image_id}
    flattener.resume(pool)
    assert flattener.settle(pool, clone.name, 60)
    flattener.resume(pool)
    assert pool.unfinished.ids() == frozenset()


def test_a_request_is_known_to_every_host(driver, clone):
    pool = driver._pool

    driver._chains.flattener.request(pool, clone.name)

    assert pool.unfinished.ids() == {pool.directory.id(clone.name)}
    assert driver._chains.flattener.settle(pool, clone.name, 60)
