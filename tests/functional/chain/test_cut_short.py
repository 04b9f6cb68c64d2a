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
"""Deletions whose process was killed inside librbd."""

from concurrent import futures
import struct
import time

import pytest
import rados
import rbd

from rbd_imgdriver.chain import leaks
from rbd_imgdriver.chain import names
from tests.functional import host

MOVING = 1  # TRASH_IMAGE_STATE_MOVING in src/cls/rbd/cls_rbd_types.h


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack('<I', len(data)) + data


def cut(admin: rados.Rados, name: str, id_: str, steps: int) -> None:
    """The first steps of a move to the trash (librbd/trash/MoveRequest.cc).

    :param steps: how many of the three
    """
    now = struct.pack('<II', int(time.time()), 0)
    body = b'\0' + text(name) + now + now + bytes([MOVING])
    spec = struct.pack('<BBI', 2, 1, len(body)) + body
    with admin.open_ioctx('volumes') as ioctx:
        ioctx.write('rbd_trash', b'')
        ioctx.execute('rbd_trash', 'rbd', 'trash_add', text(id_) + spec)
        if steps >= 2:
            ioctx.remove_object(f'rbd_id.{name}')
        if steps >= 3:
            ioctx.execute('rbd_directory', 'rbd', 'dir_remove_image',
                          text(name) + text(id_))


def repaired(driver) -> list[leaks.Leak]:
    """What ``leaks repair`` finds and does when Cinder knows no volume."""
    looking = leaks.Leaks(driver._backend.pool, names.Names(),
                          lambda _: None)
    found = looking.find()
    for leak in found:
        assert looking.repair(leak), leak
    return found


@pytest.fixture(params=[1, 2, 3])
def steps(request) -> int:
    return request.param


@pytest.fixture
def volume(driver, disks):
    made = host.volume()
    driver.create_volume(made)
    disks.write(made.name, 0, 'precious')
    return made


def test_the_next_deletion_finishes_it(driver, volume, disks, admin, steps,
                                       is_empty):
    """While a clone needs the image, and without harm to that."""
    clone = host.volume()
    driver.create_cloned_volume(clone, volume)
    cut(admin, volume.name, driver._pool.directory.id(volume.name), steps)

    driver.delete_volume(volume)
    assert disks.text(clone.name, 0)[:8] == 'precious'
    driver.delete_volume(clone)
    repaired(driver)  # with clones of format 1 the snapshot had to stay
    assert is_empty()


def test_one_without_snapshots(driver, volume, admin, steps, is_empty):
    """No entry in the trash outlives its image."""
    cut(admin, volume.name, driver._pool.directory.id(volume.name), steps)
    driver.delete_volume(volume)
    assert is_empty()


def test_repair_finishes_it(driver, volume, admin, steps, is_empty):
    """When Cinder has forgotten the volume."""
    cut(admin, volume.name, driver._pool.directory.id(volume.name), steps)
    assert repaired(driver)
    assert is_empty()


def test_a_deferred_deletion_stays_deferred(ours, volume, admin, steps,
                                            contents):
    driver = ours(enable_deferred_deletion=True, deferred_deletion_delay=600)
    cut(admin, volume.name, driver._pool.directory.id(volume.name), steps)
    driver.delete_volume(volume)
    assert contents() == ([], [volume.name])
    with admin.open_ioctx('volumes') as ioctx:  # librbd takes it for whole
        rbd.RBD().trash_restore(
            ioctx, next(iter(rbd.RBD().trash_list(ioctx)))['id'], 'restored')
    assert contents() == (['restored'], [])


def test_another_image_of_that_name_is_left_alone(driver, volume, admin,
                                                  pool, contents):
    """One that was made after the name became free."""
    id_ = pool.directory.id(volume.name)
    cut(admin, volume.name, id_, 3)
    with admin.open_ioctx('volumes') as ioctx:
        rbd.RBD().create(ioctx, volume.name, 2**22, 22, old_format=False)
    pool.trash.finish_move(id_)
    assert pool.trash.remove(id_)
    assert contents() == ([volume.name], [])
    assert pool.headers.size(volume.name) == 2**22


def test_an_entry_whose_image_is_gone(driver, volume, admin, is_empty):
    """A removal from the trash was killed before its last step."""
    id_ = driver._pool.directory.id(volume.name)
    with admin.open_ioctx('volumes') as ioctx:
        rbd.RBD().trash_move(ioctx, volume.name, 0)
        ioctx.remove_object(f'rbd_header.{id_}')
    assert [leak.image_id for leak in repaired(driver)] == [id_]
    assert is_empty()


class Slower(rbd.Image):
    """Unprotects a snapshot just after somebody else."""

    def unprotect_snap(self, name):
        super().unprotect_snap(name)
        super().unprotect_snap(name)


def test_another_host_unprotects_the_snapshot_at_that_moment(
        driver, volume, monkeypatch, is_empty):
    """Then librbd calls the arguments invalid."""
    driver._pool.snapshots.create(volume.name, 'some.clone_snap')
    with monkeypatch.context() as patch:
        patch.setattr(rbd, 'Image', Slower)
        driver.delete_volume(volume)
    assert is_empty()


def test_two_hosts_delete_one_volume(ours, disks, contents):
    """Both succeed, whoever is faster."""
    one, other = ours(), ours()
    for _ in range(6):
        volume, clone = host.volume(), host.volume()
        one.create_volume(volume)
        one.create_cloned_volume(clone, volume)
        with futures.ThreadPoolExecutor(4) as threads:
            for deletion in [threads.submit(driver.delete_volume, each)
                             for each in (volume, clone)
                             for driver in (one, other)]:
                deletion.result()
    for driver in (one, other):
        driver._trash_purge()
    # What was busy at the moment a later look frees, parents after children.
    for _ in range(3):
        repaired(one)
    assert contents('volumes') == ([], [])


@pytest.mark.parametrize('of', ['', 'rbd_id', 'directory'])
@pytest.mark.parametrize('suffix', ['', '.deleted'])
def test_a_name_whose_image_is_gone(ours, admin, contents, suffix, of):
    """Two clients that remove one image can leave it; so can one that dies.

    :param of: the half of the name that is gone, too
    """
    driver, volume = ours(), host.volume()
    driver.create_volume(volume)
    pool, name = driver._backend.pool, volume.name + suffix
    if suffix:
        pool.images.rename(volume.name, name)
    id_ = pool.directory.id(name)
    with admin.open_ioctx('volumes') as ioctx:
        ioctx.remove_object(f'rbd_header.{id_}')
        ioctx.remove_object(f'rbd_object_map.{id_}')
        if of == 'rbd_id':
            ioctx.remove_object(f'rbd_id.{name}')
        elif of == 'directory':
            ioctx.execute('rbd_directory', 'rbd', 'dir_remove_image',
                          text(name) + text(id_))
    assert pool.directory.is_headless(name)
    if of == 'directory':
        driver.delete_volume(volume)  # nothing lists it
        pool.images.remove(name)
    else:
        known = leaks.Leaks(pool, names.Names(), lambda _: 'available')
        [leak] = known.find()
        assert leak.kind == leaks.NAME
        assert not leak.safe
        assert volume.id in leak.reason
        assert not known.repair(leak)
        assert [one.kind for one in repaired(driver)] == [leaks.NAME]
    assert contents('volumes') == ([], [])
    assert not pool.directory.is_headless(name)
    driver.create_volume(volume)  # the name can be used again


def test_a_name_that_is_just_made_is_no_leak(ours, admin):
    """Whose it will be is not known before there is a header."""
    pool = ours()._backend.pool
    id_ = pool.images.create('theirs', 2**22, 22)
    with admin.open_ioctx('volumes') as ioctx:
        ioctx.remove_object(f'rbd_header.{id_}')
    assert leaks.Leaks(pool, names.Names(), lambda _: None).find() == []
