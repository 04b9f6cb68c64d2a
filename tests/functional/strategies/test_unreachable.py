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
"""Ceph goes away: before a create, and in the middle of one."""

from collections.abc import Iterator
import socket

from cinder import exception
import pytest

from tests.functional import host


@pytest.fixture
def away(cluster):
    """Stops the cluster when called; it is back after the test."""
    yield cluster.stop
    cluster.start()


@pytest.fixture
def nowhere(cluster, tmp_path) -> Iterator[str]:
    """A ceph.conf at whose monitor's address nobody listens."""
    with socket.socket() as silent:
        silent.bind(('127.0.0.1', 0))
        conf = tmp_path / 'ceph.conf'
        conf.write_text('[global]\n'
                        f'mon_host = 127.0.0.1:{silent.getsockname()[1]}\n'
                        f'keyring = {cluster.keyring("cinder")}\n')
        yield str(conf)


@pytest.fixture
def impatient(cluster, pool):
    """A driver that gives Ceph five seconds for each operation."""
    return host.make(cluster, 'volumes', rados_connect_timeout=5)


def test_a_driver_does_not_start_without_its_cluster(cluster, nowhere):
    with pytest.raises(exception.VolumeBackendAPIException,
                       match='cluster'):
        host.make(cluster, 'volumes', rados_connect_timeout=4,
                  rados_connection_retries=1, rbd_ceph_conf=nowhere)


def test_a_create_without_ceph_ends_with_the_reason(
        cluster, impatient, create, disk, glance_image, contents, away):
    meta = host.image_meta(disk, 'raw')
    url = glance_image(meta['id'])
    away()

    with pytest.raises(exception.VolumeBackendAPIException,
                       match='operation timeout|timed out'):
        create(impatient, meta, url)

    cluster.start()
    assert contents() == ([], [])
