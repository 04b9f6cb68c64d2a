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
"""Replicated types: the volume must not hang on an unmirrored parent."""

import uuid

from cinder import context
from cinder import objects
import pytest

from tests.functional import host


@pytest.fixture
def replicated():
    return objects.VolumeType(
        context.get_admin_context(), id=str(uuid.uuid4()), name='replicated',
        qos_specs_id=None, extra_specs={'replication_enabled': '<is> True'})


def test_each_way_makes_a_volume_that_can_be_mirrored(
        is_mirrored, cluster, create, made, disk, qcow2, glance_image,
        replicated, pool):
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=True)
    raw = host.image_meta(disk, 'raw')
    compressed = host.image_meta(qcow2, 'qcow2')
    ways = [('rbd-clone', raw, [glance_image(raw['id'])]),
            ('import', compressed, []), ('cached-clone', compressed, [])]
    for strategy, meta, urls in ways:
        volume, update, _ = create(
            driver, meta, *urls, service=host.ImageService(qcow2),
            volume_type=replicated, volume_type_id=replicated.id)

        result = made(volume)
        assert result.strategy == strategy
        assert result.parent is None
        assert result.data == disk.read_bytes()
        assert update['replication_status'] == 'enabled'
        assert is_mirrored(volume)


def test_when_mirroring_fails_nothing_is_left(
        driver, create, disk, glance_image, replicated, contents):
    raw = host.image_meta(disk, 'raw')
    with pytest.raises(Exception, match='set up'):
        create(driver, raw, glance_image(raw['id']), volume_type=replicated,
               volume_type_id=replicated.id)
    assert contents() == ([], [])
