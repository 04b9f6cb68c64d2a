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
"""Volumes that are made of each other, with clones of both formats."""

from collections.abc import Iterator
import contextlib
import hashlib
import pathlib

from cinder.volume.drivers import rbd as cinder_rbd
import pytest
import rados
import rbd

from tests.functional.chain import client
from tests.functional import host

POOLS = ('volumes', 'volumes2')


@pytest.fixture(params=[1, 2], ids=['v1', 'v2'])
def clone_format(request) -> int:
    """The format of the clones that are made in a test."""
    return request.param


@pytest.fixture
def conf(cluster, clone_format) -> str:
    """A ceph.conf with which clones of that format are made.

    The same file for all tests: a process keeps a client for each.
    """
    cinders = pathlib.Path(cluster.conf('cinder'))
    text = cinders.read_text()
    path = cinders.with_name(f'clones-of-format-{clone_format}.conf')
    path.write_text(f'{text}\n[client]\n'
                    f'rbd default clone format = {clone_format}\n')
    return str(path)


@pytest.fixture
def ours(cluster, pool, conf):
    """Makes our driver on a pool."""
    def make(pool_name='volumes', **options):
        return host.make(cluster, pool_name, rbd_ceph_conf=conf, **options)

    return make


@pytest.fixture
def driver(ours):
    """Our driver on the pool ``volumes``."""
    return ours()


@pytest.fixture
def intree(cluster, pool, conf):
    """Cinder's driver on the pool ``volumes``."""
    return host.make(cluster, 'volumes', cls=cinder_rbd.RBDDriver,
                     rbd_ceph_conf=conf, rados_connection_retries=2)


class Disks:
    """The images of the cluster, past the drivers.

    Data is written in blocks of 4 KiB at the start of an object of 4 MiB.
    """

    OBJECT = 4 * 2**20
    BLOCK = 4096

    def __init__(self, rados_client: rados.Rados, conf: str) -> None:
        self._client = rados_client
        self._conf = conf

    @contextlib.contextmanager
    def open(self, name: str, pool: str = 'volumes', snapshot=None,
             read_only: bool = True) -> Iterator[rbd.Image]:
        with self._client.open_ioctx(pool) as ioctx, \
                rbd.Image(ioctx, name, snapshot=snapshot,
                          read_only=read_only) as image:
            yield image

    def write(self, name: str, number: int, text: str,
              pool: str = 'volumes') -> None:
        """Fill a block of an object with a text."""
        data = (text.encode() * self.BLOCK)[:self.BLOCK]
        with self.open(name, pool, read_only=False) as image:
            image.write(data, number * self.OBJECT)

    def digest(self, name: str, objects: int, pool: str = 'volumes') -> str:
        """SHA-256 of the first objects."""
        with self.open(name, pool) as image:
            return hashlib.sha256(
                image.read(0, objects * self.OBJECT)).hexdigest()

    def text(self, name: str, number: int, pool: str = 'volumes') -> str:
        """What a block was filled with, up to its first repetition."""
        with self.open(name, pool) as image:
            data = image.read(number * self.OBJECT, self.BLOCK)
        return data.rstrip(b'\0')[:16].decode()

    def size(self, name: str, pool: str = 'volumes') -> int:
        with self.open(name, pool) as image:
            return image.size()

    def parent(self, name: str, pool: str = 'volumes'):
        """(pool, image, snapshot) or None."""
        with self.open(name, pool) as image:
            try:
                spec = image.get_parent_image_spec()
            except rbd.ImageNotFound:
                return None
        return spec['pool_name'], spec['image_name'], spec['snap_name']

    def snapshots(self, name: str, pool: str = 'volumes') -> list[str]:
        """Names of the snapshots that are not in the snapshot trash."""
        with self.open(name, pool) as image:
            return [one['name'] for one in image.list_snaps()
                    if not one['namespace']]

    def blank(self, name: str, pool: str) -> str:
        """Make an image of 1 MiB; how the rbd command names it."""
        with self._client.open_ioctx(pool) as ioctx:
            rbd.RBD().create(ioctx, name, 2**20)
        return f'{pool}/{name}'

    def remove(self, name: str, pool: str) -> None:
        """Remove an image with its snapshots."""
        with self._client.open_ioctx(pool) as ioctx:
            with rbd.Image(ioctx, name) as image:
                for snapshot in list(image.list_snaps()):
                    image.remove_snap(snapshot['name'])
            rbd.RBD().remove(ioctx, name)

    def hold(self, image: str, writable: bool = True) -> client.Client:
        """Another process that has an image open."""
        return client.Client(self._conf, 'cinder', image, writable)


@pytest.fixture
def disks(admin, conf) -> Disks:
    return Disks(admin, conf)


@pytest.fixture
def hold(disks):
    """Opens images in other processes, and closes them after the test."""
    held: list[client.Client] = []

    def open_(image: str, writable: bool = True) -> client.Client:
        held.append(disks.hold(image, writable))
        return held[-1]

    yield open_
    for one in held:
        one.close()


@pytest.fixture
def is_empty(contents):
    """Whether nothing at all is left in the pools, trash included."""
    def look() -> bool:
        return all(contents(pool) == ([], []) for pool in POOLS)

    return look


@pytest.fixture
def backups(admin):
    """An RBD group; what is in it at the end goes out of it."""
    with admin.open_ioctx('volumes') as ioctx:
        rbd.RBD().group_create(ioctx, 'backups')
        group = rbd.Group(ioctx, 'backups')
        yield group
        for image in list(group.list_images()):
            group.remove_image(ioctx, image['name'])
        rbd.RBD().group_remove(ioctx, 'backups')
