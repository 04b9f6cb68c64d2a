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
"""Images whose bytes are in the cluster already, behind rbd:// locations."""

from collections.abc import Iterator
import contextlib

from oslo_log import log as logging

from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph import pool as ceph_pool
from rbd_imgdriver.ceph import reader
from rbd_imgdriver.importer import fetch
from rbd_imgdriver.importer import inspection
from rbd_imgdriver import locations
from rbd_imgdriver import model

LOG = logging.getLogger(__name__)


def find(image: model.Image,
         pool: ceph_pool.Pool) -> locations.RbdLocation | None:
    """The first location that holds all of the image's bytes.

    A location that cannot be read, or holds something else, is passed over:
    Glance can still deliver the image.
    """
    if image.container_format == 'compressed':
        return None  # qemu-img cannot see through it
    for url in image.locations:
        location = locations.parse(url)
        if (not isinstance(location, locations.RbdLocation)
                or location.fsid != pool.fsid()
                or not location.of_glance):
            continue
        try:
            size = _size(pool, location)
        except ceph_errors.CephError as error:
            LOG.info('Image %(image)s is not read from %(location)s: '
                     '%(error)s', {'image': image.id, 'location': location,
                                   'error': error})
            continue
        if image.size in (None, size):
            return location
        LOG.warning('Image %(image)s has %(expected)s bytes, %(location)s '
                    'has %(size)d: it is not used',
                    {'image': image.id, 'expected': image.size,
                     'location': location, 'size': size})
    return None


def inspect(image: model.Image, pool: ceph_pool.Pool,
            location: locations.RbdLocation) -> str:
    """Judge the image, reading no more than that takes.

    :returns: the disk format to treat it as
    :raises rbd_imgdriver.errors.ImageUnsafe: when it must not be used
    """
    look = inspection.Inspection(image.id, image.disk_format)
    with _opened(pool, location) as opened:
        for chunk in _chunks(opened):
            look.feed(chunk)
            if look.settled:
                break
    return look.finish()


def chunks(pool: ceph_pool.Pool,
           location: locations.RbdLocation) -> Iterator[bytes]:
    """All bytes of the image."""
    with _opened(pool, location) as opened:
        yield from _chunks(opened)


def _size(pool: ceph_pool.Pool, location: locations.RbdLocation) -> int:
    with _opened(pool, location) as opened:
        return opened.size


@contextlib.contextmanager
def _opened(pool: ceph_pool.Pool,
            location: locations.RbdLocation) -> Iterator[reader.Reader]:
    opened = pool.sibling(location.pool).reader(location.image,
                                                location.snapshot)
    try:
        yield opened
    finally:
        blocking.run(opened.close)


def _chunks(opened: reader.Reader) -> Iterator[bytes]:
    offset = 0
    while chunk := blocking.run(opened.read, offset, fetch.BATCH):
        yield chunk
        offset += len(chunk)
