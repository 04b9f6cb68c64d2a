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

"""Golden images whose snapshot clients may read from any copy."""

from cinder import context
import pytest
import rbd

from rbd_imgdriver.ceph.images import inheritance
from tests.functional import host


@pytest.mark.parametrize(('options', 'expected'), [
    ({'rbd_imgdriver_balanced_reads': True},
     {inheritance.BALANCED_READS: 'true'}),
    ({}, {})])
def test_only_the_golden_image_says_so(cluster, pool, admin, meta, qcow2,
                                       store, options, expected):
    """What a volume's client reads of its parent, the parent decides."""
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=True,
                       **options)
    volumes = [host.volume() for _ in range(2)]
    for volume in volumes:
        driver.clone_image(context.get_admin_context(), volume, (None, []),
                           meta, host.ImageService(qcow2))

    golden, = store.entries()
    with admin.open_ioctx('volumes') as ioctx:
        assert _options(ioctx, golden.name) == expected
        assert [_options(ioctx, one.name) for one in volumes] == [{}, {}]


def _options(ioctx, name: str) -> dict[str, str]:
    with rbd.Image(ioctx, name, read_only=True) as image:
        return {key: value for key, value in image.metadata_list()
                if key.startswith('conf_')}
