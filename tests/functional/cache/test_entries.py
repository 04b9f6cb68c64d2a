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
"""Entries in a real cluster: evicted, retired, swept, and never torn."""

from concurrent import futures

from cinder import context
from cinder import exception
import pytest
import rbd

from rbd_imgdriver.cache import entry as cache_entry
from rbd_imgdriver.cache import names
from rbd_imgdriver.cache import sweep
from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph.wire import leases
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from tests.functional import host

GIB = 2**30


def make_all(driver, service, metas):
    """One volume of each image, in order."""
    volumes = []
    for meta in metas:
        volume = host.volume()
        assert driver.clone_image(context.get_admin_context(), volume,
                                  (None, []), meta, service)[1]
        volumes.append(volume)
    return volumes


@pytest.fixture
def service(qcow2):
    return host.ImageService(qcow2)


@pytest.fixture
def metas(qcow2):
    return [host.image_meta(qcow2, 'qcow2') for _ in range(4)]


def read(admin, name, length=8):
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, name, read_only=True) as image:
        return image.read(0, length)


def test_over_the_limit_the_least_used_goes_and_volumes_stay(
        cluster, pool, service, metas, store, admin, contents, disk):
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=True,
                       image_volume_cache_max_count=2)

    volumes = make_all(driver, service, metas)

    kept = {one.image_id for one in store.entries()}
    assert kept == {metas[2]['id'], metas[3]['id']}
    images, trashed = contents()
    assert len(trashed) == 2
    for volume in volumes:
        assert read(admin, volume.name) == disk.read_bytes()[:8]
    # The space comes back with the last child.
    for volume in volumes[:2]:
        driver.delete_volume(volume)
    report = sweep.Sweep(store, lambda image_id: True).run()
    assert len(report.freed) + len(report.kept) <= 2
    assert contents()[1] == []


def test_what_can_never_fit_goes_past_the_cache(cluster, pool, service,
                                                metas, store):
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=True,
                       image_volume_cache_max_count=1)
    (first,) = make_all(driver, service, metas[:1])
    (entry,) = store.entries()
    store.pin(entry.name)

    (second,) = make_all(driver, service, metas[1:2])

    assert [one.name for one in store.entries()] == [entry.name]
    assert pool.headers.metadata(
        second.name)['rbd-imgdriver/strategy'] == 'import'
    assert first.name != second.name


@pytest.mark.timeout(1200)  # a busy machine takes a third of a second each
def test_a_thousand_children(cluster, pool, service, metas, store, children):
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=True)
    make_all(driver, service, metas[:1])
    (entry,) = store.entries()
    specs = [clones.CloneSpec(store.snapshot(entry.name), f'child-{number}')
             for number in range(1000)]
    with futures.ThreadPoolExecutor(4) as threads:
        list(threads.map(pool.clones.clone, specs))

    (volume,) = make_all(driver, service, metas[:1])

    assert (pool.headers.metadata(volume.name)['rbd-imgdriver/strategy']
            == 'cached-clone')
    assert len(children(entry.name)) == 1002
    assert not store.retire(entry.name)
    assert store.entries() == []


def test_an_entry_whose_image_glance_has_dropped(cluster, pool, service,
                                                 metas, store, contents):
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=True)
    volumes = make_all(driver, service, metas[:2])
    report = sweep.Sweep(store, lambda id_: id_ == metas[1]['id']).run()

    assert len(report.dropped) == 1
    assert [one.image_id for one in store.entries()] == [metas[1]['id']]
    for volume in volumes:
        driver.delete_volume(volume)
    sweep.Sweep(store, lambda id_: False).run()
    assert contents() == ([], [])


def test_a_dry_run_says_and_does_nothing(cluster, pool, service, metas,
                                         store, contents):
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=True)
    make_all(driver, service, metas[:1])
    before = contents()
    report = sweep.Sweep(store, lambda id_: False, dry_run=True).run()
    assert len(report.dropped) == 1
    assert contents() == before


def test_a_publication_cut_off_between_the_steps_of_its_rename(
        pool, store, admin, contents):
    """librbd writes the new name first, then changes the directory."""
    golden = 'image-cache-1-abc'
    partial = temporary.new_name(golden)
    id_ = pool.images.create(partial, 4 * 2**20, 22)
    pool.snapshots.ensure(partial, names.SNAPSHOT)
    pool.headers.update(partial, cache_entry.facts(model.Image('1'), id_, 0))
    with admin.open_ioctx('volumes') as ioctx:
        ioctx.write_full(f'rbd_id.{golden}', ioctx.read(f'rbd_id.{partial}'))
    child = clones.CloneSpec(store.snapshot(golden), 'child')
    with pytest.raises(errors.SnapshotNotFound):
        pool.clones.clone(child)  # a miss, for readers

    report = sweep.Sweep(store, lambda id_: True).run()

    assert report.finished == (golden,)
    pool.clones.clone(child)
    assert contents() == (['child', golden], [])
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, golden) as image:
        assert image.get_name() == golden


def test_partial_images_of_the_living_are_left_alone(pool, store, contents):
    golden = 'image-cache-1-abc'
    alive, dead = temporary.new_name(golden), temporary.new_name(golden)
    lease = leases.Lease(golden, 'cookie', 30)
    assert pool.leases.acquire(lease, {'host': 'one', 'partial': alive})
    volume = temporary.new_name('volume-1')
    for name in (alive, dead, volume):
        pool.images.create(name, 4 * 2**20, 22, id_key=temporary.MARK)

    report = sweep.Sweep(store, lambda id_: True).run()
    assert report.removed == (dead,)

    pool.leases.release(lease)
    now = pool.directory.listed(volume)[0].created
    report = sweep.Sweep(store, lambda id_: True,
                         clock=lambda: now + 7200).run()
    assert set(report.removed) == {alive, volume}
    assert contents() == ([], [])


def test_the_cache_is_not_for_cinder_to_manage(cluster, pool, service, metas,
                                               store):
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=True)
    (volume,) = make_all(driver, service, metas[:1])
    found = driver.get_manageable_volumes([], None, 10, 0, ['size'], ['asc'])
    assert [one['reference']['source-name'] for one in found] == [volume.name]
    assert found[0]['safe_to_manage']
    assert driver.get_manageable_snapshots([], None, 10, 0, [], []) == []
    golden = {'source-name': store.entries()[0].name}
    for manage in (driver.manage_existing_get_size, driver.manage_existing):
        with pytest.raises(exception.ManageExistingInvalidReference,
                           match='image of the cache'):
            manage(host.volume(), golden)
    assert len(store.entries()) == 1

    stats = driver.get_volume_stats(refresh=True)
    assert stats['image_cache_count'] == 1
    assert stats['image_cache_bytes'] == GIB
    assert stats['backend_state'] == 'up'


def test_such_a_publication_is_finished_by_the_next_create_too(
        cluster, pool, service, metas, store, admin):
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=True)
    make_all(driver, service, metas[:1])
    (entry,) = store.entries()
    # Undo the second and third step of the rename.
    partial = temporary.new_name(entry.name)
    pool.images.rename(entry.name, partial)
    with admin.open_ioctx('volumes') as ioctx:
        ioctx.write_full(f'rbd_id.{entry.name}',
                         ioctx.read(f'rbd_id.{partial}'))

    (volume,) = make_all(driver, service, metas[:1])

    assert service.downloads == 1
    assert (pool.headers.metadata(volume.name)['rbd-imgdriver/strategy']
            == 'cached-clone')
    assert [one.name for one in store.entries()] == [entry.name]
