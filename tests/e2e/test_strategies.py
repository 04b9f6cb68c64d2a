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

"""One volume by each strategy, through Cinder's API."""

import subprocess

import pytest

GIB = 2**30


def convert(disk, disk_format, *options):
    path = disk.with_suffix('.' + disk_format)
    subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', disk_format,
                    *options, disk, path], check=True)
    return path


def check(cloud, volume, kind, disk, size=1):
    """The volume is the image's data, as large as asked for; as stored."""
    data = disk.read_bytes()
    stored = cloud.stored(volume, kind, len(data))
    assert stored.size == size * GIB
    assert stored.data == data
    assert cloud.show(volume)['bootable'] == 'true'
    return stored


@pytest.mark.parametrize('kind', ['img1', 'img2'])
def test_rbd_clone(cloud, disk, kind):
    image = cloud.image(disk, 'raw', store='rbd')

    volume = cloud.volume(image, kind, size=2)

    stored = check(cloud, volume, kind, disk, size=2)
    assert stored.strategy == 'rbd-clone'
    assert stored.declined == '-'
    assert stored.parent[:2] == ('images', image)


@pytest.mark.parametrize('kind', ['img1', 'img2'])
def test_cinder_clone(cloud, disk, kind):
    image = cloud.image(disk, 'raw', store='cinder')

    volume = cloud.volume(image, kind)

    stored = check(cloud, volume, kind, disk)
    assert stored.strategy == 'cinder-clone'
    assert 'rbd-clone: no-location' in stored.declined
    assert stored.parent is not None


def test_import_and_then_cached_clone(cloud, disk):
    image = cloud.image(convert(disk, 'qcow2'), 'qcow2')

    first = cloud.volume(image, 'img1')
    second = cloud.volume(image, 'img1')

    imported = check(cloud, first, 'img1', disk)
    assert imported.strategy == 'import'
    assert 'rbd-clone: not-raw' in imported.declined
    cloned = check(cloud, second, 'img1', disk)
    assert cloned.strategy == 'cached-clone'
    # Both are children of the one snapshot of the cached image.
    assert cloned.parent == imported.parent
    assert cloned.parent is not None
