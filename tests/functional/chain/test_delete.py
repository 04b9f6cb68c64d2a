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
"""Deletion: what others need stays, and nothing else does."""

from concurrent import futures
import threading

from cinder import context
from cinder import exception
from cinder.message import message_field
import pytest
import rbd

from tests.functional import host


@pytest.fixture
def volume(driver, disks):
    """Makes a volume with some data."""
    def make(by=driver):
        made = host.volume()
        by.create_volume(made)
        disks.write(made.name, 0, made.id[:8])
        return made

    return make


def clone(driver, source):
    made = host.volume()
    driver.create_cloned_volume(made, source)
    return made


def from_snapshot(driver, source):
    snapshot = host.snapshot(source)
    driver.create_snapshot(snapshot)
    made = host.volume()
    driver.create_volume_from_snapshot(made, snapshot)
    return snapshot, made


def test_what_is_gone_is_deleted(driver, volume):
    gone = host.volume()
    driver.delete_volume(gone)
    made = volume()
    driver.delete_volume(made)
    driver.delete_volume(made)


def test_a_clone_takes_its_snapshot_with_it(driver, volume, disks, contents):
    source = volume()
    driver.delete_volume(clone(driver, source))
    assert disks.snapshots(source.name) == []
    assert contents() == ([source.name], [])


def test_a_shared_snapshot_stays_until_its_last_clone(driver, volume, disks):
    source = volume()
    first, second = clone(driver, source), clone(driver, source)
    driver.delete_volume(first)
    assert disks.snapshots(source.name) == [f'{first.name}.clone_snap']
    assert disks.digest(second.name, 1) == disks.digest(source.name, 1)
    driver.delete_volume(second)
    assert disks.snapshots(source.name) == []


@pytest.mark.parametrize('order', ['oldest-first', 'youngest-first'])
def test_a_chain_of_nine(ours, volume, is_empty, order):
    """In-tree leaves seven images of it."""
    driver = ours(rbd_max_clone_depth=20)
    family = [volume()]
    for _ in range(8):
        family.append(clone(driver, family[-1]))
    for one in family if order == 'oldest-first' else reversed(family):
        driver.delete_volume(one)
    assert is_empty()


@pytest.fixture
def out_of_sight(clone_format):
    """Where a deleted volume goes whose clones are there."""
    def where(volume, *others) -> tuple[list[str], list[str]]:
        names = [other.name for other in others]
        if clone_format == 1:
            return sorted([*names, f'{volume.name}.deleted']), []
        return sorted(names), [volume.name]

    return where


def test_a_source_is_deleted_at_once(driver, volume, disks, contents,
                                     out_of_sight):
    """Nothing is flattened: the clone keeps what it needs."""
    source = volume()
    made = clone(driver, source)
    before = disks.digest(made.name, 1)
    driver.delete_volume(source)
    assert contents() == out_of_sight(source, made)
    assert disks.digest(made.name, 1) == before
    assert driver._pool.ancestry.depth(made.name) == 1


def test_a_snapshot_with_a_volume(driver, volume, disks, is_empty):
    source = volume()
    snapshot, made = from_snapshot(driver, source)
    before = disks.digest(made.name, 1)
    driver.delete_snapshot(snapshot)
    driver.delete_snapshot(snapshot)
    assert snapshot.name not in disks.snapshots(source.name)
    assert disks.digest(made.name, 1) == before
    driver.delete_volume(source)
    assert disks.digest(made.name, 1) == before
    driver.delete_volume(made)
    assert is_empty()


def test_a_snapshot_of_what_is_gone(driver):
    driver.delete_snapshot(host.snapshot(host.volume()))


def test_a_clone_in_another_pool(driver, ours, volume, is_empty):
    source = volume()
    made = clone(driver, source)
    driver._chains.move(made.name, 'volumes2')
    driver.delete_volume(source)
    ours('volumes2').delete_volume(made)
    assert is_empty()


def test_a_glance_image_as_parent(driver, disk, glance_image, admin,
                                  is_empty):
    meta = host.image_meta(disk, 'raw')
    location = glance_image(meta['id'])
    made = host.volume()
    driver.clone_image(context.get_admin_context(), made, (location, None),
                       meta, None)
    driver.delete_volume(made)
    assert is_empty()
    with admin.open_ioctx('images') as ioctx, \
            rbd.Image(ioctx, meta['id']) as image:
        assert [one['name'] for one in image.list_snaps()] == ['snap']


def test_an_evicted_cached_image_goes_with_its_last_volume(ours, disk,
                                                           is_empty):
    """With clones of format 1 the cache's sweep would take it."""
    driver = ours(image_volume_cache_enabled=True)
    meta = host.image_meta(disk, 'raw')
    volumes = [host.volume(), host.volume()]
    for one in volumes:
        driver.clone_image(context.get_admin_context(), one, (None, None),
                           meta, host.ImageService(disk))
    store = driver._backend.store
    (entry,) = store.entries()
    store.retire(entry.name)
    for one in volumes:
        assert not is_empty()
        driver.delete_volume(one)
    assert is_empty()


def test_backup_snapshots_go_with_the_volume(driver, volume, disks,
                                             is_empty):
    made = volume()
    with disks.open(made.name, read_only=False) as image:
        image.create_snap('backup.0d5a-1.snap.1700000000.12')
    driver.delete_volume(made)
    assert is_empty()


def test_a_snapshot_that_somebody_made_keeps_the_image(driver, volume,
                                                       disks, contents):
    """As in-tree: in the trash, from where it can be restored."""
    made = volume()
    with disks.open(made.name, read_only=False) as image:
        image.create_snap('precious')
    driver.delete_volume(made)
    assert contents() == ([], [made.name])


@pytest.mark.parametrize('with_clone', [False, True])
def test_a_volume_that_is_open_is_busy(driver, volume, hold, contents,
                                       with_clone, messages):
    driver._chains.deleter._patience = 1
    made = volume()
    if with_clone:
        clone(driver, made)
    before = contents()
    hold(f'volumes/{made.name}')
    with pytest.raises(exception.VolumeIsBusy):
        driver.delete_volume(made)
    assert contents() == before
    assert [(one['resource_uuid'], one['detail']) for one in messages] == [
        (made.id, message_field.Detail.DETACH_ERROR)]


@pytest.mark.usefixtures('short_watches')
def test_a_client_that_has_just_died(driver, volume, hold, is_empty):
    """Its watch outlives it, as does its exclusive lock."""
    plain, parent = volume(), volume()
    child = clone(driver, parent)
    clients = [hold(f'volumes/{one.name}') for one in (plain, parent)]
    for client in clients:
        client.kill()
    with futures.ThreadPoolExecutor(2) as threads:
        for deletion in [threads.submit(driver.delete_volume, one)
                         for one in (plain, parent)]:
            deletion.result()
    driver.delete_volume(child)
    assert is_empty()


def test_a_client_that_closes_in_time(driver, volume, hold, is_empty):
    made = volume()
    client = hold(f'volumes/{made.name}')
    driver._chains.deleter._patience = 60
    timer = threading.Timer(1.0, client.close)
    timer.start()
    driver.delete_volume(made)
    timer.join()
    assert is_empty()


def test_deferred_deletion_defers(ours, volume, contents, admin):
    driver = ours(enable_deferred_deletion=True, deferred_deletion_delay=3600)
    made = volume()
    driver.delete_volume(made)
    driver._trash_purge()
    assert contents() == ([], [made.name])
    (entry,) = driver._pool.trash.entries()
    with admin.open_ioctx('volumes') as ioctx:
        rbd.RBD().trash_restore(ioctx, entry.id, made.name)
    assert contents() == ([made.name], [])


def test_deferred_deletion_of_a_family(ours, volume, contents, is_empty,
                                       out_of_sight, admin):
    driver = ours(enable_deferred_deletion=True, deferred_deletion_delay=3600)
    source = volume()
    made = clone(driver, source)
    driver.delete_volume(source)
    assert contents() == out_of_sight(source, made)
    driver.delete_volume(made)
    images, trashed = out_of_sight(source)
    assert contents() == (images, sorted([*trashed, made.name]))
    driver._trash_purge()
    assert contents() == (images, sorted([*trashed, made.name]))


def test_deferred_deletion_ends(ours, volume, is_empty):
    driver = ours(enable_deferred_deletion=True, deferred_deletion_delay=0)
    family = [volume()]
    for _ in range(3):
        family.append(clone(driver, family[-1]))
    for one in family:
        driver.delete_volume(one)
    assert not is_empty()
    driver._trash_purge()
    assert is_empty()


def test_revert_with_clones(driver, volume, disks, is_empty):
    made = volume()
    before = disks.digest(made.name, 1)
    snapshot, child = from_snapshot(driver, made)
    disks.write(made.name, 0, 'changed')
    driver.revert_to_snapshot(None, made, snapshot)
    assert disks.digest(made.name, 1) == before
    for one in (made, child):
        if one is made:
            driver.delete_snapshot(snapshot)
        driver.delete_volume(one)
    assert is_empty()


@pytest.mark.parametrize('with_clone', [False, True])
def test_one_in_a_group_loses_nothing(driver, volume, disks, admin, backups,
                                      contents, caplog, with_clone):
    """Ceph refuses to delete it, and only at the very end."""
    made = volume()
    if with_clone:
        clone(driver, made)
    before = contents(), disks.snapshots(made.name)
    with admin.open_ioctx('volumes') as ioctx:
        backups.add_image(ioctx, made.name)

        with pytest.raises(exception.VolumeIsBusy):
            driver.delete_volume(made)

        assert (contents(), disks.snapshots(made.name)) == before
        assert ('rbd group image remove volumes/backups '
                f'volumes/{made.name}') in caplog.text
        backups.remove_image(ioctx, made.name)
    driver.delete_volume(made)
    assert made.name not in contents()[0]
