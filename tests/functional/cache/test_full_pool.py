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
"""A pool that is full: Ceph answers nothing, and a timeout ends it."""

import os

from cinder import context
from cinder import exception
import pytest

from tests.functional import host


@pytest.fixture
def full(cluster, admin):
    """The pool's quota is used up; Ceph needs a while to notice."""
    with admin.open_ioctx('volumes') as ioctx:
        ioctx.write_full('filler', b'x' * 4096)
        cluster.command('osd pool set-quota', pool='volumes',
                        field='max_bytes', val='1')
        while not pool_is_full(cluster):
            pass
        yield
        cluster.command('osd pool set-quota', pool='volumes',
                        field='max_bytes', val='0')
        while pool_is_full(cluster):
            pass
        ioctx.remove_object('filler')


def pool_is_full(cluster) -> bool:
    pools = cluster.command('osd dump')['pools']
    (flags,) = [pool['flags_names'] for pool in pools
                if pool['pool_name'] == 'volumes']
    return 'full_quota' in flags


@pytest.mark.parametrize('cached', [True, False])
def test_the_create_ends_and_leaves_nothing(cluster, pool, full, contents,
                                            tmp_path, cached):
    data = tmp_path / 'big.raw'
    data.write_bytes(os.urandom(16 * 2**20))
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=cached,
                       rados_connect_timeout=5)

    with pytest.raises(exception.CinderException):
        driver.clone_image(
            context.get_admin_context(), host.volume(), (None, []),
            host.image_meta(data, 'raw'), host.ImageService(data))

    assert contents() == ([], [])
