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
"""One connection that lasts: through restarts and blocklisting."""

import pytest
import rados
import rbd

from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph import pool as ceph_pool
from tests.functional import host


def blocklist(admin, client) -> None:
    """What a fence does to a client."""
    code, _, status = admin.mon_command(
        '{"prefix": "osd blocklist", "blocklistop": "add", "addr": "%s"}'
        % client.get_addrs(), b'')
    assert code == 0, status
    with client.open_ioctx('volumes') as ioctx:
        while not refused(ioctx):  # until the OSD has the new map
            pass


def refused(ioctx) -> bool:
    try:
        list(ioctx.get_xattrs('rbd_directory'))
    except rados.ConnectionShutdown:
        return True
    return False


@pytest.fixture
def own(cluster, pool):
    """A connection of this test's own: it is going to be broken."""
    spec = connection.ClusterSpec('ceph', str(cluster.conf('cinder')),
                                  'cinder')
    return ceph_pool.Pool(connection.Cluster(spec), 'volumes')


def test_a_blocklisted_client_is_replaced(admin, own):
    own.create('image', 2**22, 22)
    own.snapshot('image', 'snap')
    before = own.cluster.client()
    blocklist(admin, before)

    spec = clones.SnapshotSpec('volumes', 'image', 'snap')
    own.clone(clones.CloneSpec(spec, 'clone', size=2**23))

    assert own.cluster.client() is not before
    assert own.size('clone') == 2**23


def test_what_is_inherited_gets_a_client_that_works(admin, cluster, pool):
    driver = host.make(cluster, 'volumes', rados_connect_timeout=30)
    before = driver._pool.cluster.client()
    blocklist(admin, before)

    volume = host.volume()
    driver.create_volume(volume)

    assert driver._pool.cluster.client() is not before
    assert pool.size(volume.name) == 2**30


def test_nothing_connects_per_call(cluster, pool, monkeypatch):
    """Neither our own operations nor the inherited ones."""
    driver = host.make(cluster, 'volumes', rados_connect_timeout=31)
    connected = []
    connect = rados.Rados.connect
    driver.get_volume_stats(refresh=True)

    class Counting(rados.Rados):
        def connect(self, *args, **kwargs):
            connected.append(self)
            return connect(self, *args, **kwargs)

    monkeypatch.setattr(rados, 'Rados', Counting)
    monkeypatch.setattr(driver.rados, 'Rados', Counting)
    volume = host.volume()
    driver.create_volume(volume)
    driver.extend_volume(volume, 2)
    snapshot = host.snapshot(volume)
    driver.create_snapshot(snapshot)
    driver.initialize_connection(volume, {})
    driver.delete_snapshot(snapshot)
    driver.get_volume_stats(refresh=True)
    driver.delete_volume(volume)

    assert connected == []


def test_a_cluster_that_cannot_be_reached_is_named(cluster, tmp_path):
    conf = tmp_path / 'ceph.conf'
    conf.write_text('[global]\nmon_host = 127.0.0.1:1\n'
                    'auth_client_required = none\n')
    spec = connection.ClusterSpec('ceph', str(conf), 'cinder', timeout=1)
    nowhere = ceph_pool.Pool(connection.Cluster(spec), 'volumes')
    with pytest.raises(errors.Unreachable, match=str(conf)):
        nowhere.size('image')


def test_a_pool_that_does_not_exist_is_named(own):
    with pytest.raises(errors.PoolNotFound, match='nowhere'):
        own.sibling('nowhere').size('image')


def test_after_a_restart_of_the_cluster(cluster, own):
    own.create('image', 2**22, 22)
    cluster.stop()
    cluster.start()
    assert own.size('image') == 2**22
    with rbd.Image(own._ioctx, 'image') as image:
        assert image.size() == 2**22


