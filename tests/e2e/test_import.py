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

"""Imports through Cinder's API: encrypted, re-imaged, refused; uploads."""

import configparser
import subprocess

import pytest

GIB = 2**30
HEADER = 4 * 2**20  # no container has more
LUKS = 'img1-luks'


def convert(disk, disk_format, *options):
    path = disk.with_suffix('.' + disk_format)
    subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', disk_format,
                    *options, disk, path], check=True)
    return path


@pytest.fixture
def passphrase(sandbox):
    """The one that the sandbox's key manager gives every volume."""
    conf = configparser.ConfigParser(interpolation=None, strict=False)
    conf.read(sandbox.layout.etc / 'cinder' / 'cinder.conf')
    return conf['key_manager']['fixed_key']


def decrypted(cloud, volume, kind, passphrase, tmp_path, length):
    container = tmp_path / 'container'
    container.write_bytes(cloud.stored(volume, kind, HEADER + length).data)
    plain = tmp_path / 'plain'
    subprocess.run(
        ['qemu-img', 'convert', '-O', 'raw', '--object',
         f'secret,id=key,data={passphrase}', '--image-opts',
         f'driver=luks,key-secret=key,file.driver=file,file.filename='
         f'{container}', plain], check=True)
    with plain.open('rb') as file:
        return file.read(length)


@pytest.mark.parametrize(('disk_format', 'store'), [
    ('raw', 'file'), ('qcow2', 'rbd')])
def test_encrypted_volume(cloud, disk, passphrase, tmp_path, disk_format,
                          store):
    path = disk if disk_format == 'raw' else convert(disk, disk_format)
    image = cloud.image(path, disk_format, store=store)

    volume = cloud.volume(image, LUKS)

    stored = cloud.stored(volume, 'img1', 6)
    assert (stored.size, stored.data) == (GIB, b'LUKS\xba\xbe')
    assert stored.strategy == 'encrypted-clone'
    data = disk.read_bytes()
    assert decrypted(cloud, volume, 'img1', passphrase, tmp_path,
                     len(data)) == data


def test_encrypted_volumes_share_what_they_have_not_written(
        cloud, disk, passphrase, tmp_path):
    image = cloud.image(convert(disk, 'qcow2'), 'qcow2', store='file')
    volumes = [cloud.volume(image, LUKS) for _ in range(3)]

    parents = {cloud.stored(one, 'img1', 0).parent for one in volumes}
    headers = {cloud.stored(one, 'img1', HEADER // 2 - 2**16).data
               for one in volumes}

    assert len(parents) == 1
    assert 'image-cache-' in parents.pop()[1]
    assert len(headers) == 3
    data = disk.read_bytes()
    for one in volumes:
        assert decrypted(cloud, one, 'img1', passphrase, tmp_path,
                         len(data)) == data


def test_blank_encrypted_volume(cloud, passphrase, tmp_path):
    volume = cloud.volume(None, LUKS)

    # It opens with the key, and its header comes on top of the size.
    assert len(decrypted(cloud, volume, 'img1', passphrase, tmp_path,
                         4096)) == 4096
    assert GIB < cloud.stored(volume, 'img1', 0).size < GIB + HEADER


def test_image_of_an_encrypted_volume(cloud, disk, passphrase, tmp_path):
    first = cloud.volume(cloud.image(disk, 'raw', store='file'), LUKS)
    image = cloud.upload_volume(first, 'raw')

    second = cloud.volume(image, LUKS)

    data = disk.read_bytes()
    assert decrypted(cloud, second, 'img1', passphrase, tmp_path,
                     len(data)) == data


@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
def test_reimage_keeps_snapshots(cloud, disk, disk_format, tmp_path):
    other = tmp_path / 'other.raw'
    other.write_bytes(disk.read_bytes()[::-1] + b'longer')
    old = cloud.image(other, 'raw')
    path = disk if disk_format == 'raw' else convert(disk, disk_format)
    new = cloud.image(path, disk_format, store='file')
    volume = cloud.volume(old, 'img1')
    snapshot = cloud.snapshot(volume)

    cloud.api.volume('POST', f'/volumes/{volume}/action', {
        'os-reimage': {'image_id': new}})
    cloud.await_status(volume, 'available')

    length = other.stat().st_size
    data = disk.read_bytes()
    assert cloud.stored(volume, 'img1', length).data == (
        data + bytes(length - len(data)))
    copy = cloud.volume(None, 'img1', snapshot_id=snapshot)
    assert cloud.stored(copy, 'img1', length).data == other.read_bytes()


def test_reimage_of_an_encrypted_volume(cloud, disk, passphrase, tmp_path):
    image = cloud.image(convert(disk, 'qcow2'), 'qcow2', store='file')
    volume = cloud.volume(None, LUKS)

    cloud.api.volume('POST', f'/volumes/{volume}/action', {
        'os-reimage': {'image_id': image}})
    cloud.await_status(volume, 'available')

    data = disk.read_bytes()
    assert decrypted(cloud, volume, 'img1', passphrase, tmp_path,
                     len(data)) == data


@pytest.mark.parametrize('disk_format', ['raw', 'qcow2', 'vmdk'])
def test_upload(cloud, disk, tmp_path, disk_format):
    volume = cloud.volume(cloud.image(disk, 'raw'), 'img1')

    image = cloud.upload_volume(volume, disk_format)

    got = tmp_path / 'got'
    got.write_bytes(cloud.download(image))
    subprocess.run(['qemu-img', 'compare', '-f', disk_format, '-F', 'raw',
                    got, disk], check=True)


@pytest.mark.parametrize('kind', ['img1', LUKS])
def test_a_damaged_image(cloud, disk, kind):
    """What Glance lets pass, and qemu-img does not."""
    path = convert(disk, 'vdi')
    with path.open('r+b') as file:
        file.seek(384)
        file.write(b'\xff' * 4)  # blocks in the disk
    image = cloud.image(path, 'vdi', store='file')

    volume = cloud.ask_for_volume(image, kind, 1)

    cloud.await_status(volume, 'error')
