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
"""The ways of an image's data into a volume, as a table."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import gzip
import pathlib
import secrets

import rados
import rbd

from rbd_imgdriver.ceph import pool as ceph_pool
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver.importer.source import local
from rbd_imgdriver.importer import target as targets
from rbd_imgdriver import model
from tests.functional import host as functional_host
from tests.functional.importer.conftest import FileData
from tests.functional.importer.conftest import image_of
from tests.functional.importer.conftest import MIB

NAME = 'volume-x'
VOLUME = 24 * MIB
_ORDER = 22
_OLD = b'what the volume held before '
_NOWHERE = FileData(pathlib.Path('/nonexistent'))


@dataclasses.dataclass(frozen=True)
class Given:
    """An image as a tenant gives it to Glance.

    :param declared: its disk format, as the tenant says
    :param data: what is uploaded if it is not to be compressed
    :param container: how ``data`` is packed already
    :param packed: ``data`` in a gzip container; b'': it is packed as usual
    """

    declared: str
    data: bytes
    container: str = 'bare'
    packed: bytes = b''


@dataclasses.dataclass(frozen=True)
class Host:
    """Where imports take place.

    :param pool: into this one, which holds nothing else
    :param glance: a client that may do anything; the pool ``images`` is
        Glance's
    :param inbox: directory for images
    """

    importer: image_importer.Importer
    pool: ceph_pool.Pool
    glance: rados.Rados
    inbox: pathlib.Path

    def uploaded(self, given: Given, packed: bool = False,
                 ) -> tuple[model.Image, pathlib.Path]:
        """What Glance says of it, and the file with its data."""
        data, container = given.data, given.container
        if packed and container == 'bare':
            data = given.packed or gzip.compress(data, 1)
            container = 'compressed'
        path = self.inbox / f'image-{self.pool.name}'
        path.write_bytes(data)
        return image_of(path, given.declared,
                        container_format=container), path

    def make(self, image: model.Image, data: model.ImageData,
             encryption: luks_header.Encryption | None = None) -> bytes:
        """Import it; the contents of the volume, which goes again."""
        self.importer.import_image(image, data, targets.Target(
            self.pool, NAME, _ORDER, VOLUME, VOLUME, encryption=encryption))
        try:
            return self.contents(encryption)
        finally:
            self.pool.images.remove(NAME)

    def contents(self, encryption: luks_header.Encryption | None = None,
                 ) -> bytes:
        """What a guest would read."""
        with self.pool.cluster.checked_out(), rbd.Image(
                self.pool.cluster.ioctx(self.pool.name), NAME) as image:
            if encryption is not None:
                image.encryption_load(rbd.RBD_ENCRYPTION_FORMAT_LUKS1,
                                      encryption.passphrase)
            return image.read(0, image.size())


def _download(host: Host, given: Given) -> bytes:
    image, path = host.uploaded(given)
    return host.make(image, FileData(path))


def _gzip(host: Host, given: Given) -> bytes:
    image, path = host.uploaded(given, packed=True)
    return host.make(image, FileData(path))


def _encrypted(host: Host, given: Given) -> bytes:
    image, path = host.uploaded(given)
    return host.make(image, FileData(path), luks_header.Encryption(
        secrets.token_hex(16), 'aes-256', 'xts', 'plain64'))


def _cinder(host: Host, given: Given) -> bytes:
    """Cinder has downloaded it into a file, and hands that over."""
    image, path = host.uploaded(given)
    return host.make(image, local.LocalData(str(path)))


def _cluster(host: Host, given: Given) -> bytes:
    """Glance keeps it in the same Ceph: nothing is downloaded."""
    image, path = host.uploaded(given)
    if not image.size or given.container != 'bare':
        return host.make(image, FileData(path))
    with _in_glance(host.glance, image.id, given.data) as url:
        image = dataclasses.replace(image, locations=(url,))
        return host.make(image, _NOWHERE)


@contextlib.contextmanager
def _in_glance(client: rados.Rados, name: str, data: bytes) -> Iterator[str]:
    """Stored for a while as by Glance's RBD store; its location."""
    try:
        yield functional_host.store_in_glance(client, name, data)
    finally:
        with client.open_ioctx('images') as ioctx:
            with rbd.Image(ioctx, name) as image:
                image.unprotect_snap('snap')
                image.remove_snap('snap')
            rbd.RBD().remove(ioctx, name)


def _reimage(host: Host, given: Given) -> bytes:
    """Into a volume that has data, which stays if the image is refused."""
    image, path = host.uploaded(given)
    pool = host.pool
    pool.images.create(NAME, VOLUME, _ORDER)
    try:
        with pool.cluster.checked_out(), rbd.Image(
                pool.cluster.ioctx(pool.name), NAME) as volume:
            volume.write(_OLD, 5 * MIB)
        try:
            host.importer.overwrite(image, FileData(path),
                                    targets.existing(pool, NAME, _ORDER))
        except Exception:
            held = host.contents()
            assert held.strip(b'\0') == _OLD, 'the old data has changed'
            raise
        return host.contents()
    finally:
        pool.images.remove(NAME)


Way = Callable[[Host, Given], bytes]
WAYS: dict[str, Way] = {
    'download': _download, 'cluster': _cluster, 'cinder': _cinder,
    'encrypted': _encrypted, 're-image': _reimage, 'gzip': _gzip}
