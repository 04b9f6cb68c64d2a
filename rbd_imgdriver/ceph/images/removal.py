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
"""Taking images and snapshots away without harm to those who need them.

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

from collections.abc import Callable
import dataclasses
from typing import Any

import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver.ceph.wire import encoding
from rbd_imgdriver.ceph.wire import header

_USER_NAMESPACE = 0
_REPLY = 4096


@dataclasses.dataclass(frozen=True)
class Facts:
    """What one has to know of an image before it goes.

    :param id: its internal id
    :param parent: what its head, or only its snapshots, depend on
    :param snapshots: how many it has, the trashed ones included
    """

    id: str
    parent: header.ParentRef | None
    snapshots: int


@dataclasses.dataclass(frozen=True)
class Parent:
    """A parent as its child's reference finds it.

    :param id: its internal id
    :param name: its name, in the directory of its pool or in the trash
    :param in_trash: whether it is in the trash
    :param deferred_until: when it may be removed from the trash, in seconds
        since the epoch; 0 when it is not there
    :param snapshot: the snapshot that the child was cloned from; None when
        it is gone
    :param snapshots: how many snapshots it has
    :param parent: its own parent
    """

    id: str
    name: str
    in_trash: bool
    deferred_until: int
    snapshot: header.Snapshot | None
    snapshots: int
    parent: header.ParentRef | None


@dataclasses.dataclass(frozen=True)
class Remaining:
    """The snapshots that an image still has.

    :param named: those that could not be removed, or were not to be
    :param trashed: how many are in the snapshot trash, or not the user's
    """

    named: tuple[str, ...]
    trashed: int

    def __bool__(self) -> bool:
        return bool(self.named or self.trashed)


def facts(ioctx: Any, image: str) -> Facts:
    """What has to be known before an image is removed; costs 0.6 ms.

    :raises errors.ImageNotFound: when there is none of that name
    """
    id_ = header.image_id(ioctx, image)
    try:
        return Facts(id_, header.parent_spec(ioctx, id_),
                     len(header.snapshot_ids(ioctx, id_)))
    except errors.ImageNotFound:
        return Facts(id_, None, 0)  # a removal that was cut short


def parent(ioctx: Any, ref: header.ParentRef) -> Parent:
    """What a child's reference points at.

    :param ioctx: I/O context of the parent's pool
    :raises errors.ImageNotFound: when the image is gone
    """
    name, deferred_until = directory.name_of(ioctx, ref.image_id), 0
    in_trash = name is None
    if name is None:
        name, deferred_until = _trashed(ioctx, ref.image_id)
    try:
        snapshot = header.snapshot(ioctx, ref.image_id, ref.snapshot_id)
    except errors.ImageNotFound:
        snapshot = None
    return Parent(ref.image_id, name, in_trash, deferred_until, snapshot,
                  len(header.snapshot_ids(ioctx, ref.image_id)),
                  header.parent_spec(ioctx, ref.image_id))


def watched(ioctx: Any, id_: str) -> bool:
    """Whether a client has the image open for writing.

    Clients that opened it read-only cannot be seen.
    """
    with errors.translated(f'watchers of image id {id_}'), \
            rbd.Image(ioctx, image_id=id_, read_only=True) as image:
        return any(True for _ in image.watchers_list())


def drop_snapshot(ioctx: Any, id_: str, name: str, hidden_name: str) -> None:
    """Remove a snapshot, or put it out of the way of its clones.

    With clones of format 2 Ceph moves it to the snapshot trash and frees it
    with the last of them.  With clones of format 1 it cannot be removed; it
    gets another name.  Absent is as good as dropped.

    :param hidden_name: its name from then on
    """
    with errors.translated(f'removal of snapshot {name} of image id {id_}'):
        try:
            with rbd.Image(ioctx, image_id=id_) as image:
                if not _drop(image, name) and name != hidden_name:
                    image.rename_snap(name, hidden_name)
        except rbd.ImageNotFound:
            return


def rename_snapshot(ioctx: Any, id_: str, name: str, new_name: str) -> None:
    """Rename a snapshot, which may have clones."""
    with errors.translated(f'rename of snapshot {name} of image id {id_}'), \
            rbd.Image(ioctx, image_id=id_) as image:
        image.rename_snap(name, new_name)


def drop_snapshots(ioctx: Any, id_: str,
                   droppable: Callable[[str], bool]) -> Remaining:
    """Remove the snapshots that may go, and say what is left.

    :param droppable: tells by a snapshot's name whether it may go
    """
    with errors.translated(f'snapshots of image id {id_}'), \
            rbd.Image(ioctx, image_id=id_) as image:
        for snapshot in list(image.list_snaps()):
            if (snapshot['namespace'] == _USER_NAMESPACE
                    and droppable(snapshot['name'])):
                _drop(image, snapshot['name'])
        left = list(image.list_snaps())
    named = [one['name'] for one in left
             if one['namespace'] == _USER_NAMESPACE]
    return Remaining(tuple(named), len(left) - len(named))


def _drop(image: Any, snapshot: str) -> bool:
    """Remove a snapshot; False when clones of format 1 forbid it."""
    try:
        if image.is_protected_snap(snapshot):
            image.unprotect_snap(snapshot)
        image.remove_snap(snapshot)
    except rbd.ImageBusy:
        return False
    except rbd.ImageNotFound:
        return True
    return True


def _trashed(ioctx: Any, id_: str) -> tuple[str, int]:
    """Name and end of deferment of an image in the trash.

    From a cls::rbd::TrashImageSpec.

    :raises errors.ImageNotFound: when it is not there
    """
    with errors.translated(f'image id {id_} in the trash'):
        _, reply = ioctx.execute('rbd_trash', 'rbd', 'trash_get',
                                 encoding.text(id_), _REPLY)
    reader = encoding.Reader(bytes(reply))
    reader.enter()
    reader.uint8()  # who moved it there
    name = reader.text()
    reader.uint64()  # when
    return name, reader.uint32()
