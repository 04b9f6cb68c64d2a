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
"""Two clusters that mirror their volumes to each other.

A session has one pair, each with an ``rbd-mirror``.  What the driver sees of
the second one is what an operator writes into ``replication_device``.
"""

from collections.abc import Callable
from collections.abc import Iterator
import dataclasses
import pathlib
import subprocess
import uuid

from cinder import context
from cinder import objects
import pytest
import rbd

from sandbox import background
from sandbox import ceph
from sandbox import ceph_daemons
from sandbox import polling
from tests.functional import conftest as functional
from tests.functional import host
from tests.functional.strategies import test_cinder_clone as cinder_clone

database = cinder_clone.database
known = cinder_clone.known
cinder_config = functional.cinder_config
cinder_locations = functional.cinder_locations
disk = functional.disk
qcow2 = functional.qcow2

# Seconds: replay takes one or two on an idle machine.
PATIENCE = 300

# rbd-mirror looks for changes every 30 s where nothing says that there are.
OPTIONS = ('--rbd_mirror_image_state_check_interval=2',
           '--rbd_mirror_pool_replayers_refresh_interval=2',
           '--rbd_mirror_delete_retry_interval=2',
           '--rbd_mirror_journal_poll_age=1')


@dataclasses.dataclass(frozen=True)
class Site:
    """A cluster, and the daemon that fetches what the other one has."""

    name: str
    cluster: ceph.Cluster
    mirror: background.Daemon

    def images(self) -> list[str]:
        """The images of the pool."""
        return self._do(lambda ioctx: sorted(rbd.RBD().list(ioctx)))

    def trash(self) -> list[str]:
        """The names of the pool's images that are in the trash."""
        return self._do(lambda ioctx: sorted(
            one['name'] for one in rbd.RBD().trash_list(ioctx)))

    def look(self, image: str, at: Callable[[rbd.Image], object]):
        """What there is to see of an image that is not changed."""
        def do(ioctx):
            with rbd.Image(ioctx, image, read_only=True) as opened:
                return at(opened)

        return self._do(do)

    def change(self, image: str, how: Callable[[rbd.Image], object]) -> None:
        """What a guest or an operator does to an image."""
        def do(ioctx):
            with rbd.Image(ioctx, image) as opened:
                how(opened)

        self._do(do)

    def data(self, image: str, length: int) -> bytes | None:
        """The first bytes of an image; None when it is not there yet."""
        try:
            return self.look(image, lambda one: one.read(0, length))
        except (rbd.ImageNotFound, rbd.InvalidArgument):
            return None

    def parent(self, image: str) -> str | None:
        """The image that an image is a clone of."""
        def of(opened):
            try:
                return opened.get_parent_image_spec()['image_name']
            except rbd.ImageNotFound:
                return None

        return self.look(image, of)

    def is_primary(self, image: str) -> bool:
        """Whether an image may be written to here."""
        return self.look(
            image, lambda one: one.mirror_image_get_info()['primary'])

    def _do(self, what):
        with self.cluster.connection() as client, \
                client.open_ioctx('volumes') as ioctx:
            return what(ioctx)


def _site(directory: pathlib.Path, name: str) -> Site:
    cluster = ceph.Cluster(directory, pools=functional.POOLS, bound=True)
    cluster.start()
    cluster.create_user('cinder', functional.CAPS)
    cluster.create_user('mirror', {
        'mon': 'profile rbd-mirror', 'osd': 'profile rbd',
        'mgr': 'profile rbd'})
    with cluster.connection() as client:
        rbd.RBD().mirror_site_name_set(client, name)
        with client.open_ioctx('volumes') as ioctx:
            rbd.RBD().mirror_mode_set(ioctx, rbd.RBD_MIRROR_MODE_IMAGE)
    mirror = background.Daemon(
        name='rbd-mirror', env=ceph_daemons.ENVIRON, cwd=directory,
        log=directory / 'rbd-mirror.log',
        record=directory / 'run/rbd-mirror.json',
        ready=lambda daemon: True,
        command=['setpriv', '--pdeathsig', 'KILL', 'rbd-mirror', '-f',
                 '-c', cluster.conf('mirror'), '--id', 'mirror', *OPTIONS])
    return Site(name, cluster, mirror)


@pytest.fixture(scope='session')
def sites(tmp_path_factory: pytest.TempPathFactory,
          ) -> Iterator[tuple[Site, Site]]:
    """Two sites that mirror the pool ``volumes`` in both directions."""
    places = [tmp_path_factory.mktemp(name) for name in ('first', 'second')]
    try:
        first = _site(places[0], 'first')
        second = _site(places[1], 'second')
        with first.cluster.connection() as client, \
                client.open_ioctx('volumes') as ioctx:
            token = rbd.RBD().mirror_peer_bootstrap_create(ioctx)
        with second.cluster.connection() as client, \
                client.open_ioctx('volumes') as ioctx:
            rbd.RBD().mirror_peer_bootstrap_import(
                ioctx, rbd.RBD_MIRROR_PEER_DIRECTION_RX_TX, token)
        for site in first, second:
            site.mirror.ensure()
        yield first, second
    finally:
        for place in places:
            record = place / 'run/rbd-mirror.json'
            background.Daemon('rbd-mirror', [], {}, place / 'x', record,
                              lambda daemon: True).stop()
            ceph.Cluster(place).purge()


@pytest.fixture
def first(sites: tuple[Site, Site]) -> Site:
    return sites[0]


@pytest.fixture
def second(sites: tuple[Site, Site]) -> Site:
    return sites[1]


@pytest.fixture
def make_driver(first: Site, second: Site):
    """Our driver with the cache and a cluster to fail over to."""
    def make(**options):
        return host.make(
            first.cluster, 'volumes', image_volume_cache_enabled=True,
            replication_device=[{'backend_id': 'second', 'user': 'cinder',
                                 'conf': second.cluster.conf('cinder')}],
            **options)

    return make


@pytest.fixture
def driver(make_driver):
    """One that is patient with a slow machine."""
    return make_driver(rados_connection_interval=2,
                       rados_connection_retries=7,
                       replication_connect_timeout=60)


@pytest.fixture
def replicated() -> objects.VolumeType:
    return objects.VolumeType(
        context.get_admin_context(), id=str(uuid.uuid4()), name='replicated',
        qos_specs_id=None, extra_specs={'replication_enabled': '<is> True'})


@pytest.fixture
def new_volume(replicated: objects.VolumeType):
    """A volume of the replicated type that is still to be made."""
    def make(**facts) -> objects.Volume:
        return host.volume(volume_type=replicated,
                           volume_type_id=replicated.id, **facts)

    return make


@pytest.fixture
def glance_image(first: Site, disk: pathlib.Path):
    """Stores the disk as Glance's RBD store does, on the first cluster."""
    def store(name: str) -> str:
        with first.cluster.connection() as client:
            return host.store_in_glance(client, name, disk.read_bytes())

    return store


@pytest.fixture
def create(new_volume, disk: pathlib.Path):
    """Make a replicated volume of an image as Cinder's create flow does."""
    def call(driver, meta: dict, *locations: str,
             service: host.ImageService | None = None,
             volume: objects.Volume | None = None) -> objects.Volume:
        volume = volume or new_volume()
        update, done = driver.clone_image(
            context.get_admin_context(), volume,
            (None, [{'url': url, 'metadata': {}} for url in locations]), meta,
            service or host.ImageService(disk))
        assert done
        volume.update(update)
        return volume

    return call


@pytest.fixture
def fail_over():
    """Fail the backend over as the manager does; to another cluster."""
    def call(driver, volumes: list[objects.Volume], to: str) -> None:
        active, updates, _ = driver.failover_host(
            context.get_admin_context(), volumes, to)
        assert active == to
        for volume, update in zip(volumes, updates, strict=True):
            assert volume.id == update['volume_id']
            volume.update(update['updates'])

    return call


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait for the daemons."""
    assert polling.wait_until(condition, PATIENCE, interval=0.3), what


def mirrored(site: Site, image: str, data: bytes) -> None:
    """Wait until a site has an image with these first bytes."""
    eventually(lambda: site.data(image, len(data)) == data,
               f'{image} is not on {site.name}: {status(site)}')


def status(site: Site) -> str:
    return subprocess.run(
        ['rbd', '-c', site.cluster.conf(), 'mirror', 'pool', 'status',
         'volumes', '--verbose'], capture_output=True, text=True).stdout
