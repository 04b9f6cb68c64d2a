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
"""Re-image: a volume that exists gets an image's contents, in place."""

import pathlib

import pytest
import rbd

from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver import errors
from rbd_imgdriver.importer import target as targets
from tests.functional.importer.conftest import FileData
from tests.functional.importer.conftest import id_of
from tests.functional.importer.conftest import image_of
from tests.functional.importer.conftest import MIB
from tests.functional.importer.conftest import qemu_img
from tests.functional.importer.conftest import write_disk

NAME = 'volume-x'
VOLUME = 24 * MIB
SIZE = 9 * MIB + 512
OLD = b'what the volume held before. ' * (VOLUME // 29) + bytes(VOLUME % 29)


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_disk(tmp_path / 'disk.raw', SIZE)


@pytest.fixture
def images(disk):
    """The disk in a format, or with a fault."""
    def image(disk_format: str) -> pathlib.Path:
        path = disk.with_suffix('.image')
        qemu_img('convert', '-f', 'raw', '-O', disk_format, disk, path)
        return path

    return image


def write(ioctx, name: str) -> None:
    with rbd.Image(ioctx, name) as image:
        image.write(OLD, 0)


@pytest.fixture
def volume(admin, pool) -> str:
    """A volume full of data with a snapshot and a clone of that."""
    pool.images.create(NAME, VOLUME, 22)
    with admin.open_ioctx('volumes') as ioctx:
        write(ioctx, NAME)
    pool.snapshots.ensure(NAME, 'before')
    pool.clones.clone(clones.CloneSpec(
        clones.SnapshotSpec('volumes', NAME, 'before'), 'volume-clone'))
    return NAME


@pytest.fixture
def volume_of_clone(admin, pool) -> str:
    """A volume that is a clone: what it hides must not shine through."""
    pool.images.create('volume-parent', VOLUME, 22)
    with admin.open_ioctx('volumes') as ioctx:
        write(ioctx, 'volume-parent')
    pool.snapshots.ensure('volume-parent', 'before')
    pool.clones.clone(clones.CloneSpec(
        clones.SnapshotSpec('volumes', 'volume-parent', 'before'), NAME))
    return NAME


def expected(disk: pathlib.Path) -> bytes:
    return disk.read_bytes() + bytes(VOLUME - SIZE)


@pytest.mark.parametrize('disk_format', ['raw', 'qcow2', 'vmdk'])
def test_contents_and_snapshots(importer, pool, admin, read, disk, images,
                                volume, disk_format):
    path = images(disk_format)

    importer.overwrite(image_of(path, disk_format), FileData(path),
                       targets.existing(pool, volume, 22))

    assert read(volume) == expected(disk)
    assert read('volume-clone') == OLD
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, volume, snapshot='before') as before:
        assert before.read(0, VOLUME) == OLD
    assert sorted(pool.directory.ids()) == ['volume-clone', volume]


def test_a_clone(importer, pool, read, disk, images, volume_of_clone):
    path = images('qcow2')

    importer.overwrite(image_of(path, 'qcow2'), FileData(path),
                       targets.existing(pool, volume_of_clone, 22))

    assert read(volume_of_clone) == expected(disk)
    assert read('volume-parent') == OLD


def test_from_a_golden_image(importer, pool, read, disk, images, volume):
    path = images('qcow2')
    importer.import_image(image_of(path, 'qcow2'), FileData(path),
                          targets.Target(pool, 'golden', 22, VOLUME, VOLUME))
    pool.snapshots.ensure('golden', 'image')

    importer.overwrite(
        image_of(path, 'qcow2'), FileData(pathlib.Path('/nonexistent')),
        targets.existing(pool, volume, 22),
        golden=clones.SnapshotSpec('volumes', 'golden', 'image'))

    assert read(volume) == expected(disk)


def test_a_bad_image_leaves_the_volume_alone(importer, pool, read, images,
                                             volume):
    path = images('qcow2')

    with pytest.raises(errors.ImageDamaged):
        importer.overwrite(
            image_of(path, 'qcow2', hash_value='00' * 64), FileData(path),
            targets.existing(pool, volume, 22))

    assert read(volume) == OLD
    assert sorted(pool.directory.ids()) == ['volume-clone', volume]


def test_an_image_larger_than_the_volume(importer, pool, read, tmp_path,
                                         volume):
    path = write_disk(tmp_path / 'large.raw', VOLUME + 512)

    with pytest.raises(errors.ImageTooLarge):
        importer.overwrite(image_of(path, 'raw'), FileData(path),
                           targets.existing(pool, volume, 22))

    assert read(volume) == OLD


def test_a_golden_image_that_was_evicted(importer, pool, read, disk, images,
                                         volume):
    path = images('qcow2')

    importer.overwrite(
        image_of(path, 'qcow2'), FileData(path),
        targets.existing(pool, volume, 22),
        golden=clones.SnapshotSpec('volumes', 'golden', 'image'))

    assert read(volume) == expected(disk)


@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
def test_a_location_of_another_tenants_image(importer, pool, read, disk,
                                             images, volume, in_glance,
                                             disk_format):
    path = images(disk_format)
    theirs = path.with_name(f'theirs.{disk_format}')
    theirs.write_bytes(path.read_bytes().replace(b'begin', b'THEIR'))
    image = image_of(path, disk_format, locations=(in_glance(theirs),))

    importer.overwrite(image, FileData(path),
                       targets.existing(pool, volume, 22))

    assert read(volume) == expected(disk)


def test_a_location_in_a_pool_of_volumes(importer, pool, read, admin, disk,
                                         images, volume):
    path = images('raw')
    image = image_of(path, 'raw', locations=(
        f'rbd://{admin.get_fsid()}/volumes/{id_of(path)}/snap',))
    with admin.open_ioctx('volumes') as ioctx:
        rbd.RBD().create(ioctx, image.id, path.stat().st_size, 22,
                         old_format=False, features=61)
        with rbd.Image(ioctx, image.id) as opened:
            opened.write(b'another tenant', 0)
            opened.create_snap('snap')

    importer.overwrite(image, FileData(path),
                       targets.existing(pool, volume, 22))

    assert read(volume) == expected(disk)
