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
"""Connections that a test breaks."""

import rados

from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import pool as ceph_pool


def blocklist(admin, client) -> None:
    """What a fence does to a client."""
    code, _, status = admin.mon_command(
        '{"prefix": "osd blocklist", "blocklistop": "add", "addr": "%s"}'
        % client.get_addrs(), b'')
    assert code == 0, status
    with client.open_ioctx('volumes') as ioctx:
        while not refused(ioctx):  # until the OSD has the new map
            pass


def handle(cluster: connection.Cluster):
    """The client that the next call will use."""
    with cluster.checked_out():
        return cluster.client()


def refused(ioctx) -> bool:
    try:
        list(ioctx.get_xattrs('rbd_directory'))
    except rados.ConnectionShutdown:
        return True
    except rados.ObjectNotFound:
        return False  # the pool never had an image
    return False


def own_pool(conf, timeout: int = -1, user: str = 'cinder') -> ceph_pool.Pool:
    """A connection of this test's own: it is going to be broken."""
    spec = connection.ClusterSpec('ceph', str(conf), user, timeout)
    return ceph_pool.Pool(connection.Cluster(spec), 'volumes')
