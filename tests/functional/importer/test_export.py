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
"""Volumes as image data: raw, converted, packed."""

import gzip
import pathlib

import pytest
import rbd

from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.importer import export
from tests.functional.importer.conftest import MIB
from tests.functional.importer.conftest import qemu_img
from tests.functional.importer.conftest import write_disk

NAME = 'volume-x'
SIZE = 24 * MIB


@pytest.fixture
def exporter(settings) -> export.Exporter:
    return export.Exporter(settings)


@pytest.fixture
def disk(tmp_path: pathlib.Path, admin, pool) -> bytes:
    """What a volume holds."""
    data = write_disk(tmp_path / 'disk.raw', SIZE - 512).read_bytes()
    pool.images.create(NAME, SIZE, 22)
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, NAME) as image:
        for at in range(0, len(data), 65536):
            block = data[at:at + 65536]
            if block.strip(b'\0'):
                image.write(block, at)
    return data + bytes(512)


def all_of(file: export.Readable, step: int) -> bytes:
    return b''.join(iter(lambda: file.read(step), b''))


@pytest.mark.parametrize('step', [65536, 65535, 7 * MIB])
def test_raw(exporter, pool, disk, conversion_dir, step):
    with exporter.exported('id', pool, NAME, 'raw') as file:
        assert all_of(file, step) == disk
        assert file.read(1) == b''
        assert list(conversion_dir.iterdir()) == []


def test_raw_of_a_clone(exporter, pool, disk):
    pool.snapshots.ensure(NAME, 'snap')
    pool.clones.clone(clones.CloneSpec(
        clones.SnapshotSpec('volumes', NAME, 'snap'), 'volume-clone'))

    with exporter.exported('id', pool, 'volume-clone', 'raw') as file:
        assert all_of(file, MIB) == disk


def test_raw_of_an_empty_volume(exporter, pool):
    pool.images.create(NAME, SIZE, 22)

    with exporter.exported('id', pool, NAME, 'raw') as file:
        assert all_of(file, MIB) == bytes(SIZE)


@pytest.mark.parametrize(('disk_format', 'driver'), [
    ('qcow2', 'qcow2'), ('vmdk', 'vmdk'), ('vdi', 'vdi'), ('vhdx', 'vhdx'),
    ('vhd', 'vpc'), ('ploop', 'parallels')])
def test_formats(exporter, pool, disk, tmp_path, conversion_dir, disk_format,
                 driver):
    path, back = tmp_path / 'image', tmp_path / 'back'

    with exporter.exported('id', pool, NAME, disk_format) as file:
        path.write_bytes(all_of(file, 65536))

    qemu_img('convert', '-f', driver, '-O', 'raw', path, back)
    assert back.read_bytes()[:SIZE] == disk
    assert list(conversion_dir.iterdir()) == []


def test_compressed_clusters(exporter, pool, disk):
    def length(compressed: bool) -> int:
        with exporter.exported('id', pool, NAME, 'qcow2',
                               compressed_clusters=compressed) as file:
            return len(all_of(file, MIB))

    assert length(True) < length(False)


@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
def test_a_gzip_container(exporter, pool, disk, tmp_path, disk_format):
    path, back = tmp_path / 'image', tmp_path / 'back'

    with exporter.exported('id', pool, NAME, disk_format,
                           compressed_container=True) as file:
        path.write_bytes(gzip.decompress(all_of(file, 1000)))

    qemu_img('convert', '-f', disk_format, '-O', 'raw', path, back)
    assert back.read_bytes() == disk


def test_what_a_guest_writes_is_no_format(exporter, pool, admin, tmp_path):
    """A volume that begins like a qcow2 image with a backing file."""
    header = tmp_path / 'header'
    qemu_img('create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', '/etc/passwd',
             header, SIZE)
    pool.images.create(NAME, SIZE, 22)
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, NAME) as image:
        image.write(header.read_bytes(), 0)
    path, back = tmp_path / 'image', tmp_path / 'back'

    with exporter.exported('id', pool, NAME, 'qcow2') as file:
        path.write_bytes(all_of(file, MIB))

    qemu_img('convert', '-f', 'qcow2', '-O', 'raw', path, back)
    assert back.read_bytes().startswith(header.read_bytes())
    assert pathlib.Path('/etc/passwd').read_bytes() not in back.read_bytes()


def test_a_volume_that_is_gone(exporter, pool, conversion_dir):
    for disk_format in ('raw', 'qcow2'):
        with pytest.raises(ceph_errors.ImageNotFound), \
                exporter.exported('id', pool, NAME, disk_format):
            pass

    assert list(conversion_dir.iterdir()) == []
