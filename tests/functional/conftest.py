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

"""A real Ceph for the functional tests: made for the run, gone after it."""

from collections.abc import Iterator
from concurrent import futures
import os
import pathlib
import subprocess
import tempfile

from cinder.message import api as message_api
import pytest
import rados
import rbd

from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import pool as ceph_pool
from sandbox import ceph
from tests.functional import host

POOLS = ('images', 'volumes', 'volumes2')

# The capabilities that doc/source/install.rst asks for, and no more.
CAPS = {
    'mon': 'profile rbd',
    'osd': 'profile rbd pool=volumes, profile rbd pool=volumes2, '
           'profile rbd-read-only pool=images',
    'mgr': 'profile rbd pool=volumes, profile rbd pool=volumes2',
}


@pytest.fixture(scope='session')
def cluster(tmp_path_factory: pytest.TempPathFactory,
            ) -> Iterator[ceph.Cluster]:
    """A cluster with the pools of a cloud and a user ``cinder``.

    ``CEPH_OPTIONS`` of the environment are options of its object stores and
    of all its clients, for example ``ms_inject_socket_failures=500``.
    ``CEPH_DATA=erasure-coded`` has three object stores, and the data of all
    images in a pool of that kind (``rbd_default_data_pool``).
    ``CEPH_CLUSTER`` is the directory of one that runs already, maybe of
    another release (tools/lent_cluster.py).
    """
    if 'CEPH_CLUSTER' in os.environ:
        yield ceph.Cluster(os.environ['CEPH_CLUSTER'], pools=POOLS,
                           bound=True)
        return
    erasure_coded = os.environ.get('CEPH_DATA') == 'erasure-coded'
    cluster = ceph.Cluster(tmp_path_factory.mktemp('ceph'), pools=POOLS,
                           osds=3 if erasure_coded else 1, bound=True)
    try:
        cluster.start()
        caps = CAPS
        if erasure_coded:
            cluster.create_erasure_pool('data')
            cluster.command('config set', who='client',
                            name='rbd_default_data_pool', value='data')
            caps = {**CAPS, 'osd': CAPS['osd'] + ', profile rbd pool=data'}
        cluster.create_user('cinder', caps)
        for option in os.environ.get('CEPH_OPTIONS', '').split():
            name, _, value = option.partition('=')
            for who in ('osd', 'client'):
                cluster.command('config set', who=who, name=name, value=value)
        yield cluster
    finally:
        cluster.purge()


@pytest.fixture(scope='session', autouse=True)
def cinder_config(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Cinder's configuration, and its state directory."""
    state = tmp_path_factory.mktemp('cinder')
    (state / 'conversion').mkdir()
    host.prepare(state)
    return state


def open_pool(cluster: ceph.Cluster, name: str,
              user: str = 'cinder') -> ceph_pool.Pool:
    spec = connection.ClusterSpec('ceph', str(cluster.conf(user)), user)
    return ceph_pool.Pool(connection.cluster(spec), name)


@pytest.fixture
def pool(cluster: ceph.Cluster) -> Iterator[ceph_pool.Pool]:
    """The pool ``volumes`` as the driver's user sees it; empty after."""
    yield open_pool(cluster, 'volumes')
    empty(cluster)


@pytest.fixture
def admin(cluster: ceph.Cluster) -> Iterator[rados.Rados]:
    """A client that may do anything; for what is not the driver's to do."""
    with rados.Rados(conffile=str(cluster.conf('admin')),
                     rados_id='admin') as client:
        yield client


@pytest.fixture
def short_watches(cluster: ceph.Cluster) -> Iterator[None]:
    """Dead clients are forgotten after 12 s, not 30.

    For a test that has to wait for that.  Not shorter: a client that lives,
    on a machine that has much to do, renews its watch every 5 s.
    """
    option = {'who': 'osd', 'name': 'osd_client_watch_timeout'}
    cluster.command('config set', **option, value='12')
    yield
    cluster.command('config rm', **option)


@pytest.fixture
def contents(cluster: ceph.Cluster):
    """Says what a pool holds: images, and the names in its trash."""
    def of(name: str = 'volumes') -> tuple[list[str], list[str]]:
        with cluster.connection() as client, client.open_ioctx(name) as ioctx:
            trashed = [one['name'] for one in rbd.RBD().trash_list(ioctx)]
            return sorted(rbd.RBD().list(ioctx)), sorted(trashed)

    return of


@pytest.fixture
def public_place() -> Iterator[pathlib.Path]:
    """A directory that other users may enter; pytest's own are closed."""
    with tempfile.TemporaryDirectory() as place:
        path = pathlib.Path(place)
        path.chmod(0o755)
        yield path


@pytest.fixture
def messages(monkeypatch):
    """The user messages that were sent: there is no database here."""
    sent = []
    monkeypatch.setattr(
        message_api.API, 'create',
        lambda self, context, action, **facts: sent.append(facts))
    return sent


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> pathlib.Path:
    """A raw disk of 24 MiB: data at both ends, a hole between."""
    path = tmp_path / 'disk.raw'
    with path.open('wb') as file:
        file.write(b'\xeb\x63\x90begin' * 40000)
        file.seek(23 * 2**20)
        file.write(b'the end.' * 2**17)
    return path


@pytest.fixture
def qcow2(disk: pathlib.Path) -> pathlib.Path:
    """The same disk as qcow2."""
    path = disk.with_suffix('.qcow2')
    subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2',
                    disk, path], check=True)
    return path


@pytest.fixture
def glance_image(admin: rados.Rados, disk: pathlib.Path):
    """Stores the disk as Glance's RBD store does; returns its location."""
    def store(name: str, order: int = 23) -> str:
        return host.store_in_glance(admin, name, disk.read_bytes(), order)

    return store


@pytest.fixture
def cinder_locations() -> Iterator[None]:
    """Images may be clones of what ``cinder://`` locations name."""
    host.CONF.set_override('allowed_direct_url_schemes', ['cinder'])
    yield
    host.CONF.clear_override('allowed_direct_url_schemes')


def empty(cluster: ceph.Cluster, pools: tuple[str, ...] = POOLS) -> None:
    """Remove all that a test left, children before parents."""
    with cluster.connection() as client:
        for _ in range(100):
            left = 0
            for name in pools:
                with client.open_ioctx(name) as ioctx:
                    left += _remove_some(ioctx)
            if not left:
                return
    raise AssertionError(f'{left} images could not be removed')


def _remove_some(ioctx: rados.Ioctx) -> int:
    names = list(rbd.RBD().list(ioctx))
    trashed = [one['id'] for one in rbd.RBD().trash_list(ioctx)]
    with futures.ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda name: _remove(ioctx, name=name), names))
    for id_ in trashed:
        _remove(ioctx, image_id=id_)
    return len(names) + len(trashed)


def _remove(ioctx: rados.Ioctx, **which: str) -> None:
    try:
        if 'name' in which:
            rbd.RBD().remove(ioctx, which['name'])
            return
    except (rbd.ImageBusy, rbd.ImageHasSnapshots, rbd.ImageNotFound):
        pass
    try:
        with rbd.Image(ioctx, **which) as image:
            for snap in image.list_snaps():
                if snap['namespace']:
                    continue
                if image.is_protected_snap(snap['name']):
                    image.unprotect_snap(snap['name'])
                image.remove_snap(snap['name'])
        if 'name' in which:
            rbd.RBD().remove(ioctx, which['name'])
        else:
            rbd.RBD().trash_remove(ioctx, which['image_id'], force=True)
    except (rbd.ImageBusy, rbd.ImageHasSnapshots, rbd.ImageNotFound):
        return  # a child goes first; the next round tries again
