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
"""A clone holds what its source held, whatever was done to the source.

A clone snapshot is used again only while nothing was written since: here is
everything that changes an image, by whoever, between two clones of it.
"""

import threading

import pytest
import rbd

from rbd_imgdriver.ceph.images import unchanged
from tests.functional import host

OBJECTS = 4
MAPS = rbd.RBD_FEATURE_OBJECT_MAP | rbd.RBD_FEATURE_FAST_DIFF

# What is not about the parent's snapshot is the same for both formats.
either_format = pytest.mark.parametrize('clone_format', [2], ids=['v2'],
                                        indirect=True)


@pytest.fixture
def source(driver, disks):
    """A volume with data in its first objects."""
    volume = host.volume()
    driver.create_volume(volume)
    for number in range(OBJECTS):
        disks.write(volume.name, number, f'A{number};')
    return volume


def clone(driver, source):
    made = host.volume(source.size)
    driver.create_cloned_volume(made, source)
    return made


def seal(admin, driver, volume):
    """What is noted with a volume's image, or None."""
    with admin.open_ioctx('volumes') as ioctx:
        return unchanged.noted(ioctx, driver._pool.directory.id(volume.name))


def is_same(disks, one, other) -> bool:
    return (disks.digest(one.name, OBJECTS + 2)
            == disks.digest(other.name, OBJECTS + 2))


@pytest.mark.parametrize('snapshots', [1, 2, 3])
@pytest.mark.parametrize('by_driver', [True, False])
def test_a_reverted_volume(driver, disks, source, snapshots, by_driver):
    """Fast-diff says that it has not changed since the first clone."""
    for _ in range(snapshots):
        snapshot = host.snapshot(source)
        driver.create_snapshot(snapshot)
    disks.write(source.name, 0, 'B')
    before = clone(driver, source)
    assert disks.text(before.name, 0).startswith('B')
    if by_driver:
        driver.revert_to_snapshot(None, source, snapshot)
    else:
        with disks.open(source.name, read_only=False) as image:
            image.rollback_to_snap(snapshot.name)
    after = clone(driver, source)
    assert disks.text(after.name, 0).startswith('A0;')
    assert is_same(disks, after, source)
    again = clone(driver, source)
    assert disks.parent(again.name) == disks.parent(after.name)
    assert is_same(disks, again, source)


def test_a_reverted_volume_whose_snapshot_is_gone(driver, disks, source):
    snapshot = host.snapshot(source)
    driver.create_snapshot(snapshot)
    disks.write(source.name, 0, 'B')
    clone(driver, source)
    driver.revert_to_snapshot(None, source, snapshot)
    driver.delete_snapshot(snapshot)
    assert is_same(disks, clone(driver, source), source)


def _rollback_to_another_snapshot(image):
    image.create_snap('theirs')
    image.write(b'later', 0)
    image.rollback_to_snap('theirs')
    image.remove_snap('theirs')


def _write_without_a_map(image):
    image.update_features(MAPS, False)
    image.write(b'unseen', 0)
    image.update_features(MAPS, True)
    image.rebuild_object_map()


def _write_without_a_lock(image):
    image.update_features(MAPS, False)
    image.update_features(rbd.RBD_FEATURE_EXCLUSIVE_LOCK, False)
    image.write(b'unseen', 0)
    image.update_features(rbd.RBD_FEATURE_EXCLUSIVE_LOCK, True)
    image.update_features(MAPS, True)
    image.rebuild_object_map()


def _write_and_rebuild(image):
    image.write(b'new', 0)
    image.rebuild_object_map()


def _shrink_and_grow(image):
    size = image.size()
    image.resize(4096)
    image.resize(size)


CHANGES = {
    'write': lambda image: image.write(b'new', 0),
    'write-new-object': lambda image: image.write(b'new', 5 * 2**22),
    'discard-object': lambda image: image.discard(0, 2**22),
    'discard-part': lambda image: image.discard(0, 2048),
    'zeroes': lambda image: image.write_zeroes(0, 2**22),
    'write-same': lambda image: image.write(b'x' * 512, 512),
    'shrink-and-grow': _shrink_and_grow,
    'write-and-rebuild-map': _write_and_rebuild,
    'write-without-map': _write_without_a_map,
    'write-without-lock': _write_without_a_lock,
    'rollback-to-theirs': _rollback_to_another_snapshot,
    'sparsify': lambda image: image.sparsify(4096),
    'flatten': lambda image: image.flatten(),
    'snapshot': lambda image: image.create_snap('x') or image.remove_snap(
        'x'),
}


@either_format
@pytest.mark.parametrize('change', CHANGES)
@pytest.mark.parametrize('is_clone', [False, True])
def test_a_change(driver, disks, source, change, is_clone):
    if is_clone:
        source = clone(driver, source)
        disks.write(source.name, 1, 'own;')
    elif change == 'flatten':
        return
    clone(driver, source)
    with disks.open(source.name, read_only=False) as image:
        CHANGES[change](image)
    assert is_same(disks, clone(driver, source), source)


@either_format
@pytest.mark.usefixtures('short_watches')
def test_a_client_that_is_killed(driver, disks, source, hold):
    clone(driver, source)
    guest = hold(f'volumes/{source.name}')
    guest.write(0, 4096, 'guest')
    guest.kill()
    assert is_same(disks, clone(driver, source), source)


@either_format
@pytest.mark.usefixtures('short_watches')
def test_a_client_that_is_killed_before(driver, disks, source, hold):
    """Its lock is left behind when the first clone is made."""
    guest = hold(f'volumes/{source.name}')
    guest.write(0, 4096, 'guest')
    guest.kill()
    clone(driver, source)
    disks.write(source.name, 0, 'later;')
    assert is_same(disks, clone(driver, source), source)


@either_format
def test_a_client_that_writes_all_the_time(driver, disks, source, hold):
    """Detached as far as Cinder knows; it has the lock."""
    guest = hold(f'volumes/{source.name}')
    over = threading.Event()

    def work() -> None:
        number = 0
        while not over.is_set():
            number += 1
            guest.write(number % OBJECTS * 2**22, 4096, f'{number};')

    writer = threading.Thread(target=work)
    writer.start()
    try:
        for _ in range(3):
            clone(driver, source)
    finally:
        over.set()
        writer.join()
    guest.close()
    assert is_same(disks, clone(driver, source), source)


@either_format
def test_a_client_that_opens_and_closes_all_the_time(driver, disks, source,
                                                     conf):
    """It comes between a clone's snapshot and the look at what it holds."""
    over = threading.Event()

    def work() -> None:
        number = 0
        while not over.is_set():
            number += 1
            disks.write(source.name, number % OBJECTS, f'{number};')

    writer = threading.Thread(target=work)
    writer.start()
    try:
        for _ in range(5):
            clone(driver, source)
    finally:
        over.set()
        writer.join()
    assert is_same(disks, clone(driver, source), source)


@either_format
@pytest.mark.parametrize('use', ['nothing', 'open', 'read', 'attach',
                                 'held', 'clone-of-it'])
def test_what_changes_nothing(driver, disks, source, hold, use):
    """Then there is one snapshot for all clones."""
    first = clone(driver, source)
    if use in ('open', 'read'):
        with disks.open(source.name, read_only=use == 'read') as image:
            image.read(0, 4096)
    elif use in ('attach', 'held'):
        guest = hold(f'volumes/{source.name}')
        guest.read(0, 4096)
        if use == 'attach':
            guest.close()
    elif use == 'clone-of-it':
        clone(driver, first)
    second = clone(driver, source)
    assert disks.parent(second.name) == disks.parent(first.name)
    assert disks.snapshots(source.name) == [f'{first.name}.clone_snap']


@either_format
@pytest.mark.parametrize('features', [1, 5])
def test_without_object_maps_there_is_no_proof(driver, disks, admin,
                                               features):
    source = host.volume()
    with admin.open_ioctx('volumes') as ioctx:
        rbd.RBD().create(ioctx, source.name, 2**30, 22, old_format=False,
                         features=features)
    disks.write(source.name, 0, 'A')
    first, second = clone(driver, source), clone(driver, source)
    assert disks.parent(first.name) != disks.parent(second.name)
    assert seal(admin, driver, source) is None


@either_format
def test_a_clone_inherits_no_seal(driver, intree, disks, source, admin):
    """Cinder's driver copies metadata to its clones."""
    clone(driver, source)
    assert seal(admin, driver, source) is not None
    assert driver._pool.headers.metadata(source.name) == {}
    child = host.volume()
    intree.create_cloned_volume(child, source)
    assert seal(admin, driver, child) is None
    disks.write(child.name, 0, 'child;')
    assert is_same(disks, clone(driver, child), child)
