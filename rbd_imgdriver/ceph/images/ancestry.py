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
"""Where clones come from: parents and ancestors, across pools.

No image is opened.  Each step up is two calls of the object class (0.4 ms) on
one header object.  Images are named by their internal ids where names may
change meanwhile.
"""

import dataclasses
from typing import Any

from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import mirroring
from rbd_imgdriver.ceph import native
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver.ceph.wire import trash

# librbd opens an image with all its ancestors: nobody works with chains of
# such a length.  It bounds the walk if headers should ever form a circle.
LONGEST = 256


@dataclasses.dataclass(frozen=True)
class Ancestor:
    """One ancestor.

    :param image: its name; its id when the user may not read more
    :param snapshot: the name of the snapshot that its child depends on, or
        '' when the user may not read it
    :param size: bytes of that snapshot; None when the user may not read it
    :param trashed: whether the image is in the trash
    """

    pool: str
    image: str
    snapshot: str
    size: int | None
    trashed: bool

    def __str__(self) -> str:
        return f'{self.pool}/{self.image}@{self.snapshot}'


@dataclasses.dataclass(frozen=True)
class Facts:
    """What one has to know of an image before it goes.

    :param id: its internal id
    :param parent: what its head, or only its snapshots, depend on
    :param snapshots: how many it has, the trashed ones included
    :param in_trash: whether it is half in the trash, because whoever moved
        it there died
    :param group: the RBD group that it is in, as ``<pool>/<name>``, or ''
    """

    id: str
    parent: header.ParentRef | None
    snapshots: int
    in_trash: bool = False
    group: str = ''


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


class Ancestry(native.Part):
    """The parents of a pool's images."""

    @native.in_native_thread
    def depth(self, image: str) -> int:
        """How many ancestors an image has, in all pools.

        0 for an image that is not a clone.  Costs 0.4 ms for each ancestor.

        :raises errors.ImageNotFound: when there is no such image
        """
        return len(self._refs(image))

    @native.in_native_thread
    def of(self, image: str) -> list[Ancestor]:
        """The ancestors of an image with their names, the parent first.

        :raises errors.ImageNotFound: when there is no such image
        """
        return [_described(self.cluster, ref) for ref in self._refs(image)]

    def _refs(self, image: str) -> list[header.ParentRef]:
        ioctx = self._ioctx
        return _ancestors(self.cluster, ioctx, header.image_id(ioctx, image))

    @native.in_native_thread
    def parent(self, id_: str) -> header.ParentRef | None:
        """The parent of an image's head, or None."""
        return header.parent(self._ioctx, id_)

    @native.in_native_thread
    def parent_spec(self, id_: str) -> header.ParentRef | None:
        """The parent of an image's head or of any of its snapshots."""
        return header.parent_spec(self._ioctx, id_)

    @native.in_native_thread
    def parent_facts(self, ref: header.ParentRef) -> tuple[str, Parent]:
        """A parent that may no longer be needed, and its pool's name.

        :param ref: a parent in any pool of the cluster
        :raises errors.ImageNotFound: when it is gone
        """
        return (self.cluster.pool_name(ref.pool_id),
                _parent(ioctx_of(self.cluster, ref), ref))

    @native.in_native_thread
    def removal_facts(self, image: str) -> Facts:
        """What has to be known before an image is removed; costs 1 ms.

        :raises errors.ImageNotFound: when there is none of that name
        """
        ioctx = self._ioctx
        id_ = _any_id(ioctx, image)
        in_trash = trash.is_in(ioctx, id_)
        try:
            return Facts(id_, header.parent_spec(ioctx, id_),
                         len(header.snapshot_ids(ioctx, id_)), in_trash,
                         self._group(id_))
        except errors.ImageNotFound:
            return Facts(id_, None, 0, in_trash)  # a removal cut short

    def _group(self, id_: str) -> str:
        found = header.group(self._ioctx, id_)
        if found is None:
            return ''
        pool = self.cluster.pool_name(found[0])
        name = directory.group_name(self.cluster.ioctx(pool), found[1])
        return f'{pool}/{name}'

    @native.in_native_thread
    def is_lone(self, id_: str) -> bool:
        """Whether an image has no snapshot, and therefore no children.

        Snapshots that were removed while clones need them count.
        """
        return not header.snapshot_ids(self._ioctx, id_)

    @native.in_native_thread
    def has_unmirrored_parent(self, image: str) -> bool:
        """Whether an image is a clone whose parent is not mirrored."""
        ioctx = self._ioctx
        ref = header.parent_spec(ioctx, header.image_id(ioctx, image))
        return ref is not None and not mirroring.is_mirrored(
            ioctx_of(self.cluster, ref), ref.image_id)


def _any_id(ioctx: Any, image: str) -> str:
    """An image's id, also while its name is only half there."""
    id_ = directory.any_id(ioctx, image)
    if id_ is None:
        moving = trash.unfinished(ioctx, image)
        if moving is None:
            raise errors.ImageNotFound(f'image {image}')
        id_ = moving.id
    return id_


def _ancestors(cluster: connection.Cluster, ioctx: Any,
               id_: str) -> list[header.ParentRef]:
    """The ancestors of an image's head, the parent first.

    Ancestors in the trash count.  One whose header the user may not read
    counts too, and ends the walk.

    :param ioctx: I/O context of the image's pool
    :raises errors.ImageNotFound: when there is no such image
    """
    found: list[header.ParentRef] = []
    ref = header.parent(ioctx, id_)
    while ref is not None and len(found) < LONGEST:
        found.append(ref)
        ref = _parent_of(cluster, ref)
    return found


def can_be_cloned(cluster: connection.Cluster,
                  ref: header.ParentRef) -> bool:
    """Whether a parent's snapshot can get another clone."""
    snapshot = header.snapshot(ioctx_of(cluster, ref), ref.image_id,
                               ref.snapshot_id)
    return not snapshot.trashed


def ioctx_of(cluster: connection.Cluster, ref: header.ParentRef) -> Any:
    """The I/O context of a parent's pool and namespace."""
    return cluster.ioctx(cluster.pool_name(ref.pool_id), ref.namespace)


def _parent_of(cluster: connection.Cluster,
               ref: header.ParentRef) -> header.ParentRef | None:
    try:
        return header.parent(ioctx_of(cluster, ref), ref.image_id,
                             ref.snapshot_id)
    except (errors.ImageNotFound, errors.PermissionDenied,
            errors.PoolNotFound):
        return None


def _parent(ioctx: Any, ref: header.ParentRef) -> Parent:
    """What a child's reference points at, in the parent's pool."""
    name, deferred_until = directory.name_of(ioctx, ref.image_id), 0
    in_trash = name is None
    if name is None:
        entry = trash.entry(ioctx, ref.image_id)
        name, deferred_until = entry.name, int(entry.deferred_until)
    try:
        snapshot = header.snapshot(ioctx, ref.image_id, ref.snapshot_id)
    except errors.SnapshotNotFound:
        snapshot = None
    return Parent(ref.image_id, name, in_trash, deferred_until, snapshot,
                  len(header.snapshot_ids(ioctx, ref.image_id)),
                  header.parent_spec(ioctx, ref.image_id))


def _described(cluster: connection.Cluster,
               ref: header.ParentRef) -> Ancestor:
    pool = cluster.pool_name(ref.pool_id)
    ioctx = ioctx_of(cluster, ref)
    try:
        name = directory.name_of(ioctx, ref.image_id)
        trashed = name is None
        if trashed:
            name = trash.entry(ioctx, ref.image_id).name
        snapshot = header.snapshot(ioctx, ref.image_id, ref.snapshot_id)
    except (errors.PermissionDenied, errors.ImageNotFound,
            errors.SnapshotNotFound):
        return Ancestor(pool, ref.image_id, '', None, False)
    return Ancestor(pool, name or ref.image_id, snapshot.name, snapshot.size,
                    trashed)
