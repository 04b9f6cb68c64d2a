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

import base64
from concurrent import futures
import pathlib
import struct
import subprocess
import time

import pytest
import rados
import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph import native
from rbd_imgdriver.ceph import pool as ceph_pool
from sandbox import polling
from tests.functional.ceph.clients import blocklist
from tests.functional.ceph.clients import handle
from tests.functional.ceph.clients import own_pool
from tests.functional.daemons import paused
from tests.functional import host


@pytest.fixture
def own(cluster, pool):
    made = own_pool(cluster.conf('cinder'))
    yield made
    assert made.cluster.close(30)


@pytest.fixture
def hasty(cluster, pool):
    """The same with ``rados_connect_timeout`` 2."""
    made = own_pool(cluster.conf('cinder'), timeout=2)
    yield made
    assert made.cluster.close(30)


def test_a_blocklisted_client_is_replaced(admin, own):
    own.images.create('image', 2**22, 22)
    own.snapshots.ensure('image', 'snap')
    before = handle(own.cluster)
    blocklist(admin, before)

    spec = clones.SnapshotSpec('volumes', 'image', 'snap')
    own.clones.clone(clones.CloneSpec(spec, 'clone', size=2**23))

    assert handle(own.cluster) is not before
    assert own.headers.size('clone') == 2**23


def test_what_is_inherited_gets_a_client_that_works(admin, cluster, pool):
    driver = host.make(cluster, 'volumes', rados_connect_timeout=30)
    before = handle(driver._pool.cluster)
    blocklist(admin, before)

    volume = host.volume()
    driver.create_volume(volume)

    assert handle(driver._pool.cluster) is not before
    assert pool.headers.size(volume.name) == 2**30


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
    nowhere = own_pool(conf, timeout=1)
    with pytest.raises(errors.Unreachable, match=str(conf)):
        nowhere.headers.size('image')
    assert 'not connected' in repr(nowhere.cluster)


def test_many_wait_for_one_attempt_to_connect(tmp_path):
    """With a dead cluster the n-th caller does not wait n times as long."""
    conf = tmp_path / 'ceph.conf'
    conf.write_text('[global]\nmon_host = 127.0.0.1:1\n'
                    'auth_client_required = none\n')
    nowhere = own_pool(conf, timeout=3)

    def fail() -> float:
        with pytest.raises(errors.Unreachable):
            nowhere.headers.size('image')
        return time.monotonic()

    started = time.monotonic()
    with futures.ThreadPoolExecutor(8) as threads:
        ended = [one.result() for one in
                 [threads.submit(fail) for _ in range(8)]]
    assert max(ended) - started < 2 * 3  # twice, should one come late


def test_a_pool_that_does_not_exist_is_named(own):
    with pytest.raises(errors.PoolNotFound, match='nowhere'):
        own.sibling('nowhere').headers.size('image')


def test_after_a_restart_of_the_cluster(cluster, own):
    own.images.create('image', 2**22, 22)
    cluster.stop()
    cluster.start()
    assert own.headers.size('image') == 2**22
    with own.cluster.checked_out(), \
            rbd.Image(own.cluster.ioctx('volumes'), 'image') as image:
        assert image.size() == 2**22




def test_a_replaced_client_is_shut_down_after_its_last_user(admin, own,
                                                            ioctx):
    """Until then what it has open works; after that it watches nothing."""
    own.images.create('image', 2**22, 22)
    reader = own.data.reader('image')
    writer = own.data.writer('image')
    with own.cluster.checked_out() as checkout:
        before = checkout.client
    before.retire()

    assert own.headers.size('image') == 2**22
    assert 'replaced clients still in use: 1' in repr(own.cluster)
    writer.write(b'x' * 2**16)
    writer.close()
    assert reader.next() is None
    assert not before.is_closed
    reader.close()

    assert before.join(30)
    assert 'replaced' not in repr(own.cluster)
    with rbd.Image(ioctx, 'image', read_only=True) as image:
        assert list(image.watchers_list()) == []


def test_a_client_that_got_no_answer_is_replaced(cluster, hasty):
    hasty.images.create('image', 2**22, 22)
    with hasty.cluster.checked_out() as checkout:
        before = checkout.client
    with paused(cluster.daemons()[-1]):
        with pytest.raises(errors.TimedOut):
            hasty.headers.size('image')

    assert hasty.headers.size('image') == 2**22
    assert before.join(30)


@pytest.mark.parametrize(('raised', 'expected'), [
    (rbd.Timeout('slow', 110), errors.TimedOut),
    (rbd.OSError('odd', 5), errors.CephError),
    (rados.TimedOut('slow', 110), errors.TimedOut),
    (UnicodeDecodeError('utf-8', b'x', 0, 1, 'bad'), errors.CephError)])
def test_no_error_of_the_bindings_leaves_a_pool(own, raised, expected):
    """Whatever a method has forgotten to translate."""
    class Forgetful(ceph_pool.Pool):
        @native.in_native_thread
        def fail(self) -> None:
            raise raised

    with pytest.raises(expected, match='fail in pool volumes'):
        Forgetful(own.cluster, 'volumes').fail()


def test_a_stream_that_got_no_answer_replaces_the_client(cluster, hasty):
    hasty.images.create('image', 2**22, 22)
    with hasty.cluster.checked_out() as checkout:
        before = checkout.client
    writer = hasty.data.writer('image')
    with paused(cluster.daemons()[-1]):
        with pytest.raises(errors.TimedOut):
            writer.write(b'x' * 2**22)
            writer.close()

    assert hasty.headers.size('image') == 2**22
    assert before.join(30)


def test_the_first_call_after_a_restart_of_the_osd_works(cluster, hasty):
    hasty.images.create('image', 2**22, 22)
    osd = cluster.daemons()[-1]
    osd.kill()
    with pytest.raises(errors.TimedOut):
        hasty.headers.size('image')
    osd.ensure()

    assert hasty.headers.size('image') == 2**22


def test_inherited_code_gets_a_new_client_at_once(cluster, pool):
    """One that was lost costs the caller no failure."""
    driver = host.make(cluster, 'volumes', rados_connect_timeout=2,
                       rados_connection_retries=1)
    before = handle(driver._pool.cluster)
    osd = cluster.daemons()[-1]
    with futures.ThreadPoolExecutor(1) as threads:
        with paused(osd):
            created = threads.submit(driver.create_volume, host.volume())
            polling.wait_until(
                lambda: handle(driver._pool.cluster) is not before, 30)
        created.result()


def test_a_pool_that_was_made_again_is_found(cluster, admin):
    """Its images are looked for in it, not in the one that is gone."""
    pool = own_pool(cluster.conf('admin'), user='admin').sibling('again')
    cluster.command('config set', who='mon', name='mon_allow_pool_delete',
                    value='true')

    def make() -> None:
        admin.create_pool('again')
        with admin.open_ioctx('again') as ioctx:
            rbd.RBD().pool_init(ioctx, True)

    make()
    pool.images.create('image', 2**22, 22)
    for look in (lambda: pool.directory.exists('image'),
                 lambda: sorted(pool.directory.ids()) == ['image'],
                 lambda: pool.headers.size('image') == 2**22,
                 lambda: pool.trash.move('image') is None):
        assert pool.directory.exists('image')
        admin.delete_pool('again')
        make()
        with admin.open_ioctx('again') as ioctx:
            rbd.RBD().create(ioctx, 'image', 2**22, 22)
        assert look()
    assert not pool.directory.exists('image')
    assert len(pool.trash.entries()) == 1
    admin.delete_pool('again')

    def is_gone() -> bool:
        try:
            pool.directory.exists('image')
        except errors.PoolNotFound:
            return True
        return False  # an OSD that has not heard of it answers

    assert polling.wait_until(is_gone, 60)


@pytest.mark.parametrize(('timeout', 'configured', 'limit'), [
    (-1, None, 60), (-1, 7, 7), (-1, 200, 60), (0, None, 60), (5, None, 5),
    (90, None, 90)])
def test_connecting_always_has_a_limit(cluster, tmp_path, timeout, configured,
                                       limit):
    conf = tmp_path / 'ceph.conf'
    conf.write_text(pathlib.Path(cluster.conf('cinder')).read_text())
    if configured is not None:
        with conf.open('a') as file:
            file.write(f'\nclient_mount_timeout = {configured}\n')
    one = own_pool(conf, timeout).cluster
    with one.checked_out():
        assert float(one.option('client_mount_timeout')) == limit
    assert one.close(30)


def test_a_key_that_librados_cannot_read_is_named(cluster, tmp_path):
    """A fresh Ceph 20 gives its users keys of the type aes256k."""
    header = struct.pack('<HIIH', 2, 1_700_000_000, 0, 32)
    key = base64.b64encode(header + bytes(range(32))).decode()
    keyring = tmp_path / 'keyring'
    keyring.write_text(f'[client.cinder]\n\tkey = {key}\n')
    conf = tmp_path / 'ceph.conf'
    text = pathlib.Path(cluster.conf('cinder')).read_text()
    conf.write_text(f'{text}\nkeyring = {keyring}\n')

    with pytest.raises(errors.Unreachable) as caught:
        own_pool(conf, timeout=5).headers.size('image')

    assert key not in str(caught.value)
    if reads_aes256k():
        assert not isinstance(caught.value, errors.KeyTooNew)
    else:
        assert isinstance(caught.value, errors.KeyTooNew)
        assert 'python3-rados' in str(caught.value)


def reads_aes256k() -> bool:
    """Whether the installed Ceph knows of such keys."""
    answer = subprocess.run(['ceph-authtool', '--help'], check=False,
                            capture_output=True, text=True)
    return 'key-type' in answer.stdout + answer.stderr
