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
"""Images whose bytes are in the cluster already, behind rbd:// locations.

They are read through a clone in our own pool, which costs 30 ms: qemu opens
images for writing, also those it only reads, and our user may do no more
than read Glance's pool.
"""

from collections.abc import Generator
from collections.abc import Iterator
from collections.abc import Set
import contextlib
import dataclasses

from oslo_log import log as logging

from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from rbd_imgdriver import printable
from rbd_imgdriver import trust
from rbd_imgdriver import undo

LOG = logging.getLogger(__name__)

_SECTOR = 512
_ZEROS = bytes(4 * 1024 * 1024)


@dataclasses.dataclass(frozen=True)
class Source:
    """An image's bytes in our pool, for a while.

    A caller that does not exhaust its generators has to close them.

    :param name: of the RBD image that shows them
    :param size: in bytes
    :param checked: whether they are the disk itself and known to be good
    """

    pool: parts.Pool
    name: str
    size: int
    checked: bool = False

    def pieces(self) -> Generator[tuple[int, bytes]]:
        """The data and its offsets, in order, without the holes."""
        reader = self.pool.data.reader(self.name)
        try:
            while (piece := blocking.run(reader.next)) is not None:
                yield piece
        finally:
            blocking.run(reader.close)

    def chunks(self) -> Generator[bytes]:
        """All bytes in order."""
        at = 0
        with contextlib.closing(self.pieces()) as pieces:
            for offset, data in pieces:
                yield from _zeros(offset - at)
                yield data
                at = offset + len(data)
        yield from _zeros(self.size - at)


@contextlib.contextmanager
def opened(image: model.Image, pool: parts.Pool, name: str,
           volume_pools: Set[str],
           golden: clones.SnapshotSpec | None = None,
           ) -> Iterator[Source | None]:
    """Show the image's bytes in our pool, if they are in the cluster.

    What cannot be read or believed, or holds something else, is passed over:
    Glance can still deliver the image.

    :param name: for the clone, which is gone after the context
    :param volume_pools: names of the pools that hold volumes; ``pool`` is
        one of them in any case
    :param golden: a snapshot that holds the disk, and is preferred
    """
    source = _first(image, pool, name, volume_pools, golden)
    if source is None:
        yield None
        return
    try:
        with temporary.held(pool, name):
            yield source
    finally:
        temporary.discard(pool, name)


def snapshots(image: model.Image, pool: parts.Pool,
              volume_pools: Set[str]) -> Iterator[clones.SnapshotSpec]:
    """The snapshots in our cluster that may be believed to be the image.

    :param volume_pools: as for :func:`opened`
    """
    if image.container_format == 'compressed':
        return  # qemu-img cannot see through it
    for found in trust.rbd_locations(image, pool.fsid,
                                     volume_pools | {pool.name}):
        if isinstance(found, model.Declined):
            LOG.info('Image %(image)s is not read from a location '
                     '(%(code)s): %(reason)s',
                     {'image': image.id, 'code': found.code,
                      'reason': printable.one_line(found.reason)})
        else:
            yield clones.SnapshotSpec.at(found)


def _first(image: model.Image, pool: parts.Pool, name: str,
           volume_pools: Set[str],
           golden: clones.SnapshotSpec | None) -> Source | None:
    if golden is not None:
        size = _cloned(image, pool, golden, name)
        if size is not None:
            return Source(pool, name, size, checked=True)
    for snapshot in snapshots(image, pool, volume_pools):
        size = _cloned(image, pool, snapshot, name)
        if size is None:
            continue
        if image.size in (None, size):
            return Source(pool, name, size)
        LOG.warning('Image %(image)s has %(expected)s bytes, '
                    '%(location)s has %(size)d: it is not used',
                    {'image': image.id, 'expected': image.size,
                     'location': snapshot, 'size': size})
        pool.images.remove(name)
    return None


def _cloned(image: model.Image, pool: parts.Pool,
            snapshot: clones.SnapshotSpec, name: str) -> int | None:
    """Clone a snapshot.

    The clone ends with a sector, as qemu reads nothing less.

    :returns: bytes of the snapshot, or None when it cannot be cloned
    """
    try:
        id_ = pool.clones.clone(clones.CloneSpec(snapshot, name,
                                          id_key=temporary.MARK))
    except ceph_errors.ImageExists:
        raise  # somebody else does the same work
    except ceph_errors.CephError as error:
        LOG.info('Image %(image)s is not read from %(snapshot)s: %(error)s',
                 {'image': image.id, 'snapshot': snapshot, 'error': error})
        return None
    with undo.on_error(f'image {name}', lambda: pool.images.remove(name, id_)):
        size = pool.headers.size(name)
        if size % _SECTOR:
            pool.images.resize(name, -(-size // _SECTOR) * _SECTOR)
    return size


def _zeros(length: int) -> Iterator[bytes]:
    while length > 0:
        part = _ZEROS[:length]
        yield part
        length -= len(part)
