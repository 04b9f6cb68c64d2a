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
"""What an image's header object says, read without opening the image.

Opening an RBD image costs 10 ms for a clone: it opens the whole chain of
parents and registers a watch.  The facts that a create needs are each one
call of the ``rbd`` object class away (0.2 ms), on the object that librbd
itself reads them from.  Method names and encodings are those of Ceph's
src/cls/rbd/cls_rbd.cc and cls_rbd_types.h; they are what every librbd client
speaks to the OSDs.

The functions take an open I/O context and block.
"""

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import errno
import struct
from typing import Any

import rados

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.wire import calls
from rbd_imgdriver.ceph.wire import encoding
from rbd_imgdriver.ceph.wire import locks

HEAD = 2 ** 64 - 2  # CEPH_NOSNAP
# RBD_LOCK_NAME: of an image's exclusive lock and of its object map's.
LOCK = 'rbd_lock'
_PROTECTED = 2  # RBD_PROTECTION_STATUS_PROTECTED
_USER_NAMESPACE = 0  # SNAPSHOT_NAMESPACE_TYPE_USER
_TRASH_NAMESPACE = 2  # SNAPSHOT_NAMESPACE_TYPE_TRASH
_PAGE = 64
_METADATA = 'metadata_'  # of a header's omap
_DIFFERS = (errno.ECANCELED, errno.ENOENT)


@dataclasses.dataclass(frozen=True)
class ParentRef:
    """Where a clone's parent is: by ids, as the header stores it.

    The image may be in the trash, and the snapshot may have gone to the
    snapshot trash: the ids stay valid.
    """

    pool_id: int
    namespace: str
    image_id: str
    snapshot_id: int


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A snapshot as the header stores it.

    :param size: in bytes
    :param created: seconds since the epoch
    :param children: its clones of format 2; those of format 1 are unknown
    :param trashed: whether it was removed and waits for its last child
    :param is_users: whether it is an ordinary one, neither in the trash nor
        a group's or rbd-mirror's
    """

    id: int
    name: str
    size: int
    created: int
    children: int
    trashed: bool
    is_users: bool = True


def object_of(id_: str) -> str:
    """The RADOS object that is an image's header."""
    return f'rbd_header.{id_}'


def id_object(name: str) -> str:
    """The RADOS object that has the id of the image of a name."""
    return f'rbd_id.{name}'


def image_id(ioctx: Any, name: str) -> str:
    """The internal id of an image.

    :raises errors.ImageNotFound: when there is no image of that name
    """
    with errors.translated(f'image {name}'):
        data = ioctx.read(id_object(name), length=256)
    return str(encoding.Reader(data).text())


def size(ioctx: Any, id_: str, snapshot_id: int = HEAD) -> tuple[int, int]:
    """Size in bytes and order (log2 of the object size in bytes)."""
    reply = _call(ioctx, id_, 'get_size', struct.pack('<Q', snapshot_id))
    order, size_bytes = struct.unpack('<BQ', reply[:9])
    return size_bytes, order


def created(ioctx: Any, id_: str) -> float:
    """When the image was made, in seconds since the epoch."""
    reply = _call(ioctx, id_, 'get_create_timestamp', b'')
    seconds, nanoseconds = struct.unpack('<II', reply[:8])
    return float(seconds + nanoseconds / 1e9)


def parent(ioctx: Any, id_: str,
           snapshot_id: int = HEAD) -> ParentRef | None:
    """The parent of the image's head or of one of its snapshots.

    :returns: None when it is not a clone, or no longer
    """
    ref = parent_spec(ioctx, id_)
    if ref is None:
        return None
    overlap = _call(ioctx, id_, 'parent_overlap_get',
                    struct.pack('<Q', snapshot_id))
    return ref if overlap[:1] == b'\x01' else None


def parent_spec(ioctx: Any, id_: str) -> ParentRef | None:
    """The parent that the image's head or any of its snapshots has.

    A flattened image keeps it while snapshots need it.
    """
    reader = encoding.Reader(_call(ioctx, id_, 'parent_get', b''))
    reader.enter()
    ref = ParentRef(reader.int64(), reader.text(), reader.text(),
                    reader.uint64())
    return ref if ref.pool_id >= 0 else None


def features(ioctx: Any, id_: str) -> int:
    """RBD's feature bits of the image."""
    # Whether it is to be opened read-only matters to the answer's other half.
    reply = _call(ioctx, id_, 'get_features', struct.pack('<Q?', HEAD, True))
    return encoding.Reader(reply).uint64()


def flags(ioctx: Any, id_: str) -> int:
    """What is wrong with the image's maps, as RBD's flag bits."""
    return encoding.Reader(_call(ioctx, id_, 'get_flags',
                                 struct.pack('<Q', HEAD))).uint64()


def is_protected(ioctx: Any, id_: str, snapshot_id: int) -> bool:
    """Whether a snapshot is protected, so that clones of format 1 are safe.

    :raises errors.SnapshotNotFound: when there is no such snapshot
    """
    reply = _call(ioctx, id_, 'get_protection_status',
                  struct.pack('<Q', snapshot_id), errors.SnapshotNotFound)
    return encoding.Reader(reply).uint8() == _PROTECTED


def is_locked(ioctx: Any, id_: str) -> bool:
    """Whether a client has the image's exclusive lock: it may be writing.

    :raises errors.ObjectNotFound: when there is no such image
    """
    return locks.is_held(ioctx, object_of(id_), LOCK)


def group(ioctx: Any, id_: str) -> tuple[int, str] | None:
    """The pool's id and the id of the RBD group that the image is in.

    A ``cls::rbd::GroupSpec``, with an empty id where there is no group.
    """
    reader = encoding.Reader(_call(ioctx, id_, 'image_group_get', b''))
    reader.enter()
    pool_id, group_id = reader.int64(), reader.text()
    return (pool_id, group_id) if group_id else None


def snapshot_ids(ioctx: Any, id_: str) -> tuple[int, ...]:
    """The ids of all snapshots, newest first, the trashed ones included."""
    return decoded_snapshot_ids(_call(ioctx, id_, 'get_snapcontext', b''))


def decoded_snapshot_ids(reply: bytes) -> tuple[int, ...]:
    """The ids in a ``SnapContext``, newest first."""
    reader = encoding.Reader(reply)
    reader.uint64()
    return tuple(reader.uint64() for _ in range(reader.uint32()))


def snapshot(ioctx: Any, id_: str, snapshot_id: int) -> Snapshot:
    """A snapshot by its id.

    :raises errors.SnapshotNotFound: when there is no such snapshot, for
        example because there is no such image
    """
    return decoded_snapshot(snapshot_id, _call(
        ioctx, id_, 'snapshot_get', struct.pack('<Q', snapshot_id),
        errors.SnapshotNotFound))


def decoded_snapshot(snapshot_id: int, reply: bytes) -> Snapshot:
    """The snapshot that a ``cls::rbd::SnapshotInfo`` describes."""
    reader = encoding.Reader(reply)
    reader.enter()
    reader.uint64()
    end = reader.enter()
    kind = reader.uint32()
    reader.jump(end)
    name, size_bytes = reader.text(), reader.uint64()
    created, _ = reader.uint32(), reader.uint32()
    return Snapshot(snapshot_id, name, size_bytes, created,
                    reader.uint32(), kind == _TRASH_NAMESPACE,
                    kind == _USER_NAMESPACE)


def snapshots(ioctx: Any, id_: str) -> list[Snapshot]:
    """All snapshots, newest first; costs 0.2 ms, and as much for each.

    librbd's list raises UnicodeDecodeError where one's name is not UTF-8.
    """
    found = []
    for snapshot_id in snapshot_ids(ioctx, id_):
        try:
            found.append(snapshot(ioctx, id_, snapshot_id))
        except errors.SnapshotNotFound:
            continue  # removed meanwhile
    return found


def value(ioctx: Any, id_: str, key: str) -> str | None:
    """One metadata value; None when there is none, or no image."""
    try:
        reply = _call(ioctx, id_, 'metadata_get', encoding.text(key),
                      errors.ObjectNotFound)
    except errors.ObjectNotFound:
        return None
    return encoding.Reader(reply).text()


def metadata(ioctx: Any, id_: str) -> dict[str, str]:
    """All metadata of the image, as ``rbd image-meta list`` shows it."""
    found: dict[str, str] = {}
    last = ''
    while True:
        query = encoding.text(last) + struct.pack('<Q', _PAGE)
        reply = _call(ioctx, id_, 'metadata_list', query)
        page = encoding.Reader(reply).pairs()
        found.update(page)
        if len(page) < _PAGE:
            return found
        last = max(page)


def update_metadata(ioctx: Any, id_: str, values: Mapping[str, str],
                    remove: Iterable[str] = (),
                    only_if: Mapping[str, str] | None = None) -> None:
    """Set and remove metadata in one atomic write.

    The image's watchers are not notified, so this is for keys that librbd does
    not read itself, or for images that nobody has open.

    :param values: keys to set
    :param remove: keys to remove; absent ones do no harm
    :param only_if: keys that have to have these values, none of them empty
    :raises errors.Stale: when they have not, and nothing is done
    """
    removed = sorted(set(remove) - set(values))
    if not values and not removed:
        return
    with errors.translated(f'metadata of image id {id_}'), \
            rados.WriteOpCtx() as op:
        for key, expected in (only_if or {}).items():
            op.omap_cmp(_METADATA + key, expected)
        for key in removed:
            op.execute('rbd', 'metadata_remove', encoding.text(key))
        if values:
            op.execute('rbd', 'metadata_set', encoding.pairs(values))
        try:
            ioctx.operate_write_op(op, object_of(id_))
        except rados.Error as error:
            if only_if and error.errno in _DIFFERS:
                raise errors.Stale(f'metadata of image id {id_} is not what '
                                   'it was') from error
            raise


def _call(ioctx: Any, id_: str, method: str, query: bytes,
          missing: type[errors.CephError] = errors.ImageNotFound) -> bytes:
    return calls.call(ioctx, object_of(id_), method, query, missing)
