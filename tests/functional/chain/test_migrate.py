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
"""Migration between pools of one cluster: own data only, parent kept."""

import contextlib
import pathlib
import subprocess
import sys
import time

from cinder import context
from cinder import exception
from cinder.volume.drivers import rbd as cinder_rbd
import pytest
import rados
import rbd

from rbd_imgdriver.chain import leaks
from rbd_imgdriver.chain import moving
from rbd_imgdriver.chain import names
from sandbox import polling
from tests.functional import host

MIB = 2**20


@pytest.fixture
def other(ours):
    """The driver of the other pool."""
    return ours('volumes2')


@pytest.fixture
def capabilities(other):
    """What the scheduler knows of the other backend."""
    other._update_volume_stats()
    return {'host': 'h@other#pool', 'capabilities': other._stats}


@pytest.fixture
def image(disk):
    return host.image_meta(disk, 'raw')


@pytest.fixture
def from_image(driver, image, glance_image):
    """A volume cloned from a Glance image, with a little of its own."""
    volume = host.volume(20, status='available')
    driver.clone_image(context.get_admin_context(), volume,
                       (glance_image(image['id']), None), image, None)
    return volume


def used(disks, volume, pool) -> int:
    """Bytes of an image's own objects."""
    found = []
    with disks.open(volume.name, pool) as image:
        image.diff_iterate(0, image.size(), None,
                           lambda _offset, length, _exists:
                           found.append(length),
                           include_parent=False, whole_object=True)
    return sum(found)


def test_own_data_moves_and_the_parent_stays(driver, disks, image, from_image,
                                             capabilities, contents):
    disks.write(from_image.name, 1000, 'own;')
    before = disks.digest(from_image.name, 10)
    own = used(disks, from_image, 'volumes')
    assert driver.migrate_volume(None, from_image, capabilities) \
        == (True, None)
    assert disks.digest(from_image.name, 10, 'volumes2') == before
    assert disks.text(from_image.name, 1000, 'volumes2').startswith('own;')
    assert disks.size(from_image.name, 'volumes2') == 20 * 2**30
    assert disks.parent(from_image.name, 'volumes2') == (
        'images', image['id'], 'snap')
    assert own == used(disks, from_image, 'volumes2') <= 24 * MIB
    assert contents() == ([], [])


def test_one_in_a_group_is_not_copied(driver, admin, capabilities, backups,
                                      contents):
    """It could not be deleted afterwards, not by Cinder either."""
    volume = host.volume(status='available')
    driver.create_volume(volume)
    with admin.open_ioctx('volumes') as ioctx:
        backups.add_image(ioctx, volume.name)

    with pytest.raises(exception.VolumeMigrationFailed, match='backups'):
        driver.migrate_volume(None, volume, capabilities)

    assert contents('volumes2') == ([], [])
    assert contents() == ([volume.name], [])


def test_a_volume_with_clones(driver, other, disks, capabilities, contents,
                              is_empty):
    """Its hidden snapshots stay behind with the clones that need them."""
    volume, clone = host.volume(status='available'), host.volume()
    driver.create_volume(volume)
    disks.write(volume.name, 0, 'data;')
    driver.create_cloned_volume(clone, volume)
    disks.write(volume.name, 1, 'later;')
    before = disks.digest(volume.name, 2)
    of_clone = disks.digest(clone.name, 2)
    assert driver.migrate_volume(None, volume, capabilities)[0]
    assert disks.digest(volume.name, 2, 'volumes2') == before
    assert disks.snapshots(volume.name, 'volumes2') == []
    assert disks.digest(clone.name, 2) == of_clone
    driver.delete_volume(clone)
    other.delete_volume(volume)
    assert is_empty()


def test_a_parent_that_was_deleted(driver, other, disks, capabilities,
                                   is_empty):
    source, volume = host.volume(), host.volume(status='available')
    driver.create_volume(source)
    disks.write(source.name, 0, 'source;')
    driver.create_cloned_volume(volume, source)
    driver.delete_volume(source)
    before = disks.digest(volume.name, 2)
    assert driver.migrate_volume(None, volume, capabilities)[0]
    assert disks.digest(volume.name, 2, 'volumes2') == before
    other.delete_volume(volume)
    assert is_empty()


def test_a_clone_of_a_volume_that_stays(driver, other, disks, capabilities,
                                        is_empty, cluster, conf):
    """Its parent's snapshot gets another name, for Cinder's driver's sake."""
    source, volume = host.volume(), host.volume(status='available')
    driver.create_volume(source)
    disks.write(source.name, 0, 'source;')
    driver.create_cloned_volume(volume, source)
    assert driver.migrate_volume(None, volume, capabilities)[0]
    assert disks.parent(volume.name, 'volumes2') == (
        'volumes', source.name, f'{volume.name}.moved.clone_snap')
    theirs = host.make(cluster, 'volumes2', cls=cinder_rbd.RBDDriver,
                       rbd_ceph_conf=conf)
    clone = host.volume()
    theirs.create_cloned_volume(clone, volume)
    assert disks.text(clone.name, 0, 'volumes2').startswith('source;')
    for one in (clone, volume):
        other.delete_volume(one)
    driver.delete_volume(source)
    assert is_empty()


def expire(admin) -> None:
    """Let the leases expire that a dead host has held."""
    with admin.open_ioctx('volumes') as ioctx, \
            contextlib.suppress(rados.ObjectNotFound):
        for key, _ in list(ioctx.get_xattrs('rbd-imgdriver.leases')):
            if key.startswith('lock.'):
                ioctx.rm_xattr('rbd-imgdriver.leases', key)


@pytest.fixture
def killed(driver, disks, conf, admin):
    """Makes a volume, and a host that is killed while it moves it."""
    def move(where, is_cloned=True):
        volume = host.volume(status='available')
        driver.create_volume(volume)
        for number in range(40):
            disks.write(volume.name, number, f'{number};')
        if is_cloned:
            driver.create_cloned_volume(host.volume(), volume)
        before = disks.digest(volume.name, 40)
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m',
             'tests.functional.chain.mortal_mover', conf, 'volumes',
             volume.name, 'volumes2', where],
            cwd=pathlib.Path(__file__).parents[3], capture_output=True,
            text=True)
        assert done.returncode == -9, done.stderr
        expire(admin)
        return volume, before

    return move


@pytest.mark.parametrize('where', ['named', 'opened', 'deep_copy-after',
                                   'remove_snap-before'])
@pytest.mark.timeout(300)
@pytest.mark.usefixtures('short_watches')
def test_a_host_that_is_killed_before_the_deletion(
        driver, disks, killed, contents, capabilities, where, clone_format):
    """The next start removes the copy; then the volume can be moved."""
    if where == 'remove_snap-before' and clone_format == 1:
        pytest.skip('clones of format 1 keep it')
    volume, before = killed(where)
    assert contents('volumes2') == ([volume.name], [])
    image_id = driver._pool.directory.id(volume.name)

    def is_over() -> bool:
        driver._chains.resume()
        return image_id not in driver._pool.unfinished.ids()

    assert polling.wait_until(is_over, 120)

    assert contents('volumes2') == ([], [])
    assert disks.digest(volume.name, 40) == before
    assert driver.migrate_volume(None, volume, capabilities)[0]
    assert disks.digest(volume.name, 40, 'volumes2') == before
    assert not driver._pool.directory.exists(volume.name)


def test_an_image_that_no_move_has_made_is_left_alone(driver, admin,
                                                      contents):
    """An operator has put it there after the host had died."""
    volume = host.volume(status='available')
    driver.create_volume(volume)
    pool = driver._pool
    note = moving.Move(pool.directory.id(volume.name), volume.name,
                       'volumes2', time.time() - 1000, 'dead')
    pool.headers.update_id(note.image_id, {moving.KEY: moving.value(note)})
    with admin.open_ioctx('volumes2') as ioctx:
        rbd.RBD().create(ioctx, volume.name, 2**30, 22, old_format=False)

    driver._chains.resume()

    assert contents('volumes2') == ([volume.name], [])
    assert moving.KEY not in pool.headers.metadata(volume.name)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures('short_watches')
def test_the_next_move_does_not_wait_for_the_next_start(
        driver, disks, killed, capabilities):
    volume, before = killed('opened')
    assert polling.wait_until(  # until Ceph has forgotten the dead client
        lambda: driver.migrate_volume(None, volume, capabilities)[0], 120)
    assert disks.digest(volume.name, 40, 'volumes2') == before


@pytest.mark.parametrize(('where', 'is_cloned'), [
    ('trash_move-after', True), ('trash_move-after', False),
    ('trash_remove-before', False)])
@pytest.mark.parametrize('clone_format', [2], ids=['v2'], indirect=True)
def test_a_host_that_is_killed_in_the_deletion(driver, other, disks, killed,
                                               is_empty, contents, where,
                                               is_cloned):
    """Nobody meets half a volume under its name, and the copy is whole."""
    volume, before = killed(where, is_cloned)
    assert not driver._pool.directory.exists(volume.name)
    driver._chains.resume()
    assert disks.digest(volume.name, 40, 'volumes2') == before
    for name in contents()[0]:
        driver.delete_volume(host.volume(id=name.removeprefix('volume-')))
    other.delete_volume(volume)
    looking = leaks.Leaks(driver._pool, names.Names(), lambda _: 'available')
    assert all(looking.repair(one) for one in looking.find())
    assert is_empty()


def test_qos_stays_with_the_volume(driver, disks, capabilities):
    volume = host.volume(status='available')
    driver.create_volume(volume)
    with disks.open(volume.name, read_only=False) as image:
        image.metadata_set('conf_rbd_qos_iops_limit', '100')
    driver.migrate_volume(None, volume, capabilities)
    with disks.open(volume.name, 'volumes2') as image:
        assert image.metadata_get('conf_rbd_qos_iops_limit') == '100'


def test_a_wanted_flatten_goes_with_the_volume(ours, disks, capabilities):
    driver = ours()
    source, volume = host.volume(), host.volume(status='available')
    driver.create_volume(source)
    disks.write(source.name, 0, 'source;')
    driver.create_cloned_volume(volume, source)
    snapshot = host.snapshot(volume)
    driver.create_snapshot(snapshot)  # which puts the flatten off
    driver._chains.flattener.request(driver._pool, volume.name)
    driver._chains.flattener.settle(driver._pool, volume.name, 5)
    driver.delete_snapshot(snapshot)
    driver.migrate_volume(None, volume, capabilities)
    target = driver._pool.sibling('volumes2')
    assert driver._chains.flattener.settle(target, volume.name, 60)
    assert target.ancestry.depth(volume.name) == 0


def test_the_same_pool(driver):
    driver._update_volume_stats()
    assert driver.migrate_volume(None, host.volume(status='available'), {
        'host': 'h', 'capabilities': driver._stats}) == (True, None)


@pytest.mark.parametrize('change', [
    {'storage_protocol': 'iSCSI'},
    {'location_info': None},
    {'location_info': 'nonsense'},
    {'location_info': 'ceph:conf:another-fsid:user:volumes2'},
])
def test_what_cinder_has_to_do_itself(driver, from_image, capabilities,
                                      contents, change):
    capabilities['capabilities'] = {**capabilities['capabilities'], **change}
    assert driver.migrate_volume(None, from_image, capabilities) \
        == (False, None)
    assert contents('volumes2') == ([], [])


def test_an_attached_volume(driver, from_image, capabilities):
    from_image.status = 'in-use'
    assert driver.migrate_volume(None, from_image, capabilities) \
        == (False, None)


@pytest.mark.parametrize('pool_name', ['images', 'nowhere'])
def test_a_pool_that_is_not_ours(driver, from_image, capabilities, contents,
                                 pool_name):
    location = capabilities['capabilities']['location_info']
    before = contents(), contents('images')
    capabilities['capabilities'] = {
        **capabilities['capabilities'],
        'location_info': location.rpartition(':')[0] + ':' + pool_name}
    assert driver.migrate_volume(None, from_image, capabilities) \
        == (False, None)
    assert (contents(), contents('images')) == before


def test_a_name_that_is_taken_is_left_alone(driver, from_image, capabilities,
                                            admin, contents):
    with admin.open_ioctx('volumes2') as ioctx:
        rbd.RBD().create(ioctx, from_image.name, 2**22)
    assert driver.migrate_volume(None, from_image, capabilities) \
        == (False, None)
    assert contents('volumes2') == ([from_image.name], [])
    assert contents() == ([from_image.name], [])


class Slower(rbd.Image):
    """Somebody else makes an image before the copy is made."""

    def deep_copy(self, target, name, **kwargs):
        rbd.RBD().create(target, name, 2**22)
        super().deep_copy(target, name, **kwargs)


def test_a_name_that_is_taken_at_that_moment(driver, from_image, capabilities,
                                             admin, contents, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(rbd, 'Image', Slower)
        assert driver.migrate_volume(None, from_image, capabilities) \
            == (False, None)
    assert contents('volumes2') == ([from_image.name], [])
    assert moving.KEY not in driver._pool.headers.metadata(from_image.name)


def test_a_source_that_cannot_be_deleted(ours, from_image, capabilities,
                                         hold, contents):
    """Cinder gets an error; both images stay."""
    driver = ours(rados_connection_retries=1)
    hold(f'volumes/{from_image.name}')
    with pytest.raises(exception.VolumeMigrationFailed):
        driver.migrate_volume(None, from_image, capabilities)
    assert contents()[0] == contents('volumes2')[0] == [from_image.name]


def test_a_reverted_volume(driver, disks):
    """Its clone's snapshot and its object map disagree: the head counts."""
    volume, clone = host.volume(), host.volume()
    driver.create_volume(volume)
    for number in range(2):
        disks.write(volume.name, number, 'A')
    for _ in range(2):
        snapshot = host.snapshot(volume)
        driver.create_snapshot(snapshot)
    disks.write(volume.name, 0, 'B')
    driver.create_cloned_volume(clone, volume)
    driver.revert_to_snapshot(None, volume, snapshot)
    expected = disks.digest(volume.name, 4)
    driver._chains.move(volume.name, 'volumes2')
    assert disks.digest(volume.name, 4, 'volumes2') == expected
    assert disks.text(clone.name, 0).startswith('B')
