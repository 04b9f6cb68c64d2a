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
"""Every format that qemu-img makes, byte for byte as qemu-img reads it."""

import dataclasses
import gzip
import pathlib
import subprocess

import pytest
import rbd

from rbd_imgdriver.ceph import pool as ceph_pool
from rbd_imgdriver import errors
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer import target as targets
from tests.functional.importer.conftest import FileData
from tests.functional.importer.conftest import GIB
from tests.functional.importer.conftest import image_of
from tests.functional.importer.conftest import MIB
from tests.functional.importer.conftest import qemu_img
from tests.functional.importer.conftest import write_disk
from tests.functional.importer import hostile

NAME = 'volume-x'
SIZE = 9 * MIB + 512  # of the disk
VOLUME = 24 * MIB


@dataclasses.dataclass(frozen=True)
class Kind:
    """A way to store a disk.

    :param disk_format: Glance's name
    :param driver: qemu's name
    """

    disk_format: str
    driver: str
    options: str = ''
    flags: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ' '.join([self.disk_format, self.options, *self.flags])

    def make(self, raw: pathlib.Path) -> pathlib.Path:
        path = raw.with_suffix('.image')
        options = ['-o', self.options] if self.options else []
        qemu_img('convert', '-f', 'raw', '-O', self.driver, *self.flags,
                 *options, raw, path)
        return path

    def contents(self, path: pathlib.Path) -> bytes:
        raw = path.with_suffix('.out')
        qemu_img('convert', '-f', self.driver, '-O', 'raw', path, raw)
        return raw.read_bytes()


KINDS = [
    Kind('qcow2', 'qcow2'),
    Kind('qcow2', 'qcow2', 'compat=0.10'),
    Kind('qcow2', 'qcow2', flags=('-c',)),
    Kind('qcow2', 'qcow2', 'compression_type=zstd', ('-c',)),
    Kind('qcow2', 'qcow2', 'cluster_size=512'),
    Kind('qcow2', 'qcow2', 'cluster_size=2M'),
    Kind('qcow2', 'qcow2', 'lazy_refcounts=on'),
    Kind('qcow2', 'qcow2', 'preallocation=full'),
    Kind('vmdk', 'vmdk'),
    Kind('vmdk', 'vmdk', 'subformat=streamOptimized'),
    Kind('vdi', 'vdi'),
    Kind('vdi', 'vdi', 'static=on'),
    Kind('vhd', 'vpc'),
    Kind('vhd', 'vpc', 'force_size=on'),
    Kind('vhd', 'vpc', 'subformat=fixed'),
    Kind('vhd', 'vpc', 'subformat=fixed,force_size=on'),
    Kind('vhdx', 'vhdx'),
    Kind('vhdx', 'vhdx', 'subformat=fixed'),
    Kind('qed', 'qed'),
    Kind('ploop', 'parallels'),
    Kind('raw', 'raw'),
    Kind('ami', 'raw'),
    Kind('ami', 'qcow2'),
]


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_disk(tmp_path / 'disk.raw', SIZE)


@pytest.fixture
def unreachable() -> FileData:
    """Fails the test that downloads."""
    return FileData(pathlib.Path('/nonexistent'))


def imported(importer: image_importer.Importer, pool: ceph_pool.Pool,
             path: pathlib.Path, disk_format: str, **facts):
    return importer.import_image(
        image_of(path, disk_format, **facts), FileData(path),
        targets.Target(pool, NAME, 22, VOLUME, VOLUME))


def assert_holds(data: bytes, expected: bytes) -> None:
    """The disk, and nothing but zeros behind it."""
    assert len(data) == VOLUME
    assert data[:len(expected)] == expected
    assert data.count(0, len(expected)) == len(data) - len(expected)


@pytest.mark.parametrize('kind', KINDS, ids=str)
def test_from_glance(importer, pool, read, disk, kind, nothing_left):
    path = kind.make(disk)

    done = imported(importer, pool, path, kind.disk_format)

    assert done == image_importer.Imported(NAME, VOLUME,
                                           path.stat().st_size)
    assert_holds(read(NAME), kind.contents(path))
    pool.images.remove(NAME)
    nothing_left()


@pytest.mark.parametrize('kind', KINDS, ids=str)
def test_from_the_cluster(importer, pool, read, disk, kind, in_glance,
                          unreachable):
    path = kind.make(disk)
    image = image_of(path, kind.disk_format, locations=(in_glance(path),))

    done = importer.import_image(
        image, unreachable, targets.Target(pool, NAME, 22, VOLUME, VOLUME))

    assert 0 < done.bytes_moved <= VOLUME
    assert_holds(read(NAME), kind.contents(path))
    assert sorted(pool.directory.ids()) == [NAME]


def test_qcow2_features_that_the_inspector_does_not_know(
        importer, pool, disk, nothing_left):
    path = Kind('qcow2', 'qcow2',
                'extended_l2=on,cluster_size=128k').make(disk)

    with pytest.raises(errors.ImageUnsafe, match='unknown_features'):
        imported(importer, pool, path, 'qcow2')

    nothing_left()


def test_internal_snapshots_are_not_looked_at(importer, pool, read, disk):
    path = Kind('qcow2', 'qcow2').make(disk)
    qemu_img('snapshot', '-c', 'before', path)
    subprocess.run(['qemu-io', '-c', 'write -P 7 1M 2M', str(path)],
                   check=True, stdout=subprocess.DEVNULL)

    imported(importer, pool, path, 'qcow2')

    expected = disk.read_bytes()
    assert_holds(read(NAME), expected[:MIB] + b'\x07' * 2 * MIB
                 + expected[3 * MIB:])


@pytest.mark.parametrize('size', [1, 511, 513, 65536, 65537,
                                  4 * MIB - 1, 4 * MIB + 1])
@pytest.mark.parametrize('where', ['glance', 'cluster'])
def test_odd_sizes_of_raw(importer, pool, read, tmp_path, in_glance, size,
                          where):
    path = write_disk(tmp_path / 'disk.raw', size)
    urls = (in_glance(path),) if where == 'cluster' else ()

    imported(importer, pool, path, 'raw', locations=urls)

    assert_holds(read(NAME), path.read_bytes())


@pytest.mark.parametrize('where', ['glance', 'cluster'])
def test_nothing_at_all(importer, pool, tmp_path, in_glance, where,
                        nothing_left):
    path = tmp_path / 'disk.raw'
    path.touch()
    urls = (in_glance(path),) if where == 'cluster' else ()

    with pytest.raises(errors.ImageEmpty, match='0 bytes'):
        imported(importer, pool, path, 'raw', locations=urls)

    nothing_left()


@pytest.mark.parametrize('size', [512, 1024, 4 * MIB - 512, 4 * MIB + 512])
def test_odd_sizes_of_qcow2(importer, pool, read, tmp_path, size):
    raw = write_disk(tmp_path / 'disk.raw', size)

    imported(importer, pool, Kind('qcow2', 'qcow2').make(raw), 'qcow2')

    assert_holds(read(NAME), raw.read_bytes())


def test_size_in_whole_gib(importer, pool, disk):
    path = Kind('qcow2', 'qcow2').make(disk)

    done = importer.import_image(
        image_of(path, 'qcow2'), FileData(path),
        targets.Target(pool, NAME, 22, 5 * GIB))

    assert done.size == pool.headers.size(NAME) == GIB


def test_iso(importer, pool, read, tmp_path):
    path = tmp_path / 'disk.iso'
    data = bytearray(2 * MIB)
    data[32768:32774] = b'\x01CD001'
    path.write_bytes(data)

    imported(importer, pool, path, 'iso')

    assert_holds(read(NAME), bytes(data))


@pytest.mark.parametrize('kind', [Kind('raw', 'raw'), Kind('qcow2', 'qcow2')],
                         ids=str)
def test_gzip(importer, pool, read, disk, kind, nothing_left):
    path = kind.make(disk)
    packed = path.with_suffix('.gz')
    packed.write_bytes(gzip.compress(path.read_bytes()))

    done = imported(importer, pool, packed, kind.disk_format,
                    container_format='compressed')

    assert done.bytes_moved == packed.stat().st_size
    assert_holds(read(NAME), disk.read_bytes())
    pool.images.remove(NAME)
    nothing_left()


def test_nearly_empty_tebibyte(importer, pool, admin, tmp_path):
    path = tmp_path / 'large.qcow2'
    qemu_img('create', '-q', '-f', 'qcow2', path, '1T')
    subprocess.run(
        ['qemu-io', '-c', 'write -P 1 0 64k', '-c', 'write -P 2 700G 1M',
         '-c', f'write -P 3 {2**40 - 65536} 64k', str(path)],
        check=True, stdout=subprocess.DEVNULL)

    importer.import_image(image_of(path, 'qcow2'), FileData(path),
                          targets.Target(pool, NAME, 22, 2**40, 2**40))

    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, NAME, read_only=True) as image:
        extents = []
        image.diff_iterate(0, 2**40, None,
                           lambda *extent: extents.append(extent),
                           whole_object=True)
        assert image.read(0, 65537) == b'\1' * 65536 + b'\0'
        assert image.read(700 * GIB - 1, MIB + 2) == (
            b'\0' + b'\2' * MIB + b'\0')
        assert image.read(2**40 - 65537, 65537) == b'\0' + b'\3' * 65536
    assert len(extents) == 3


def test_too_large_for_the_volume(importer, pool, tmp_path, nothing_left):
    path = tmp_path / 'large.qcow2'
    qemu_img('create', '-q', '-f', 'qcow2', path, VOLUME + 512)

    with pytest.raises(errors.ImageTooLarge, match=f'{VOLUME + 512} bytes'):
        imported(importer, pool, path, 'qcow2')

    nothing_left()


def test_vmdk_with_its_tables_at_the_end(importer, pool, read, disk):
    kind = Kind('vmdk', 'vmdk', 'subformat=streamOptimized')
    path = kind.make(disk)
    path.write_bytes(hostile.with_footer(path.read_bytes()))

    imported(importer, pool, path, 'vmdk')

    assert_holds(read(NAME), kind.contents(path))
