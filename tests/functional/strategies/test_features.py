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
"""Images of pools and clients with other features than Ceph's default."""

import pathlib

import pytest
import rbd

from tests.functional import host

# Without the bits that Ceph sets by itself, and the striping that it drops.
KEPT = 61


@pytest.fixture(params=[3, 63, 127])
def features(request) -> int:
    """``rbd_default_features`` with the striping bit."""
    return request.param


@pytest.fixture
def striped(cluster, pool, tmp_path: pathlib.Path, features):
    """Makes our driver, for whose client they are the default."""
    path = tmp_path / 'features.conf'
    text = pathlib.Path(cluster.conf('cinder')).read_text()
    path.write_text(f'{text}\n[client]\nrbd default features = {features}\n')

    def make(**options):
        return host.make(cluster, 'volumes', rbd_ceph_conf=str(path),
                         **options)

    return make


@pytest.mark.parametrize('cached', [True, False], ids=['cached', 'straight'])
@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
def test_an_import(striped, create, made, disk, qcow2, admin, features,
                   cached, disk_format):
    path = qcow2 if disk_format == 'qcow2' else disk
    driver = striped(image_volume_cache_enabled=cached)
    volume, _, done = create(driver, host.image_meta(path, disk_format),
                             service=host.ImageService(path))
    assert done
    assert made(volume).data == disk.read_bytes()
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, volume.name, read_only=True) as image:
        assert image.features() & KEPT == features & KEPT
