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
"""What a backend reports to the scheduler of its room."""

from cinder.volume.drivers import rbd as cinder_rbd
import pytest
import rbd

from rbd_imgdriver import model
from tests.functional import host

QUOTA = 3 * model.GIB


@pytest.fixture
def quota(cluster):
    """Sets the quota of a pool in bytes, until the end of the test."""
    touched = []

    def set_to(pool: str, size: int) -> None:
        touched.append(pool)
        cluster.command('osd pool set-quota', pool=pool,
                        field='max_bytes', val=str(size))

    yield set_to
    for pool in touched:
        cluster.command('osd pool set-quota', pool=pool,
                        field='max_bytes', val='0')


@pytest.fixture
def data_pool(admin):
    """New images of the pool ``volumes`` keep their data in ``volumes2``."""
    with admin.open_ioctx('volumes') as ioctx:
        rbd.RBD().pool_metadata_set(
            ioctx, 'conf_rbd_default_data_pool', 'volumes2')
        yield
        rbd.RBD().pool_metadata_remove(
            ioctx, 'conf_rbd_default_data_pool')


def capacity(driver) -> tuple[float, float]:
    stats = driver.get_volume_stats(refresh=True)
    assert stats['backend_state'] == 'up'
    return stats['free_capacity_gb'], stats['total_capacity_gb']


@pytest.mark.parametrize('size', [0, QUOTA])
@pytest.mark.parametrize('dynamic', [False, True])
def test_as_cinders_driver_where_there_is_one_pool(
        cluster, pool, quota, size, dynamic):
    if pool.data.pool():
        pytest.skip('CEPH_DATA: there are two pools')
    quota('volumes', size)
    options = {'report_dynamic_total_capacity': dynamic}
    ours = host.make(cluster, 'volumes', **options)
    intree = host.make(cluster, 'volumes', cls=cinder_rbd.RBDDriver,
                       **options)

    assert capacity(ours) == pytest.approx(capacity(intree), abs=0.1)


def test_of_the_pool_that_the_data_goes_to(cluster, pool, quota, data_pool):
    quota('volumes2', QUOTA)

    assert capacity(host.make(cluster, 'volumes')) == (3.0, 3.0)
