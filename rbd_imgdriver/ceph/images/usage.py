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
"""What images take up, who depends on them, and who uses them.

All of it opens the image: for commands and long work, not for the path of a
create from an image.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
from typing import Any

import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import watchers
from rbd_imgdriver.ceph import native
from rbd_imgdriver.ceph.wire import header

# Images that are opened together: one takes 5 to 10 ms, mostly waiting.
_AT_ONCE = 32


@dataclasses.dataclass(frozen=True)
class Child:
    """A clone of a snapshot of an image.

    :param name: ``<pool>/<image>``
    :param trashed: whether it is in the trash
    """

    name: str
    trashed: bool = False


@dataclasses.dataclass(frozen=True)
class Usage:
    """One image with its snapshots.

    :param size: bytes that a client sees
    :param used: bytes of the image's own objects; those of snapshots that
        differ from them are not counted
    :param snapshots: names, those in the snapshot trash left out
    :param children: of all its snapshots, the removed ones included
    """

    size: int
    used: int
    snapshots: tuple[str, ...]
    children: tuple[Child, ...]


@dataclasses.dataclass(frozen=True)
class SnapshotUsage:
    """One snapshot of an image.

    :param held: bytes of the objects that have changed since in the image:
        what it keeps from being freed, if no other snapshot keeps it too
    :param children: its clones of both formats
    """

    held: int
    children: tuple[Child, ...]


# Of an entry in the trash whose image is gone.
NOTHING = Usage(0, 0, (), ())


class Usages(native.Part):
    """The usage of a pool's images."""

    @native.in_native_thread
    def of(self, image: str) -> Usage:
        """What an image takes up, and who depends on it.

        :raises errors.ImageNotFound: when there is no such image
        """
        return _usage(self._ioctx, name=image)

    @native.in_native_thread
    def of_trashed(self, id_: str) -> Usage:
        """The same of an image in the trash, by its internal id."""
        return _usage(self._ioctx, id_=id_)

    @native.in_native_thread
    def of_snapshot(self, id_: str, name: str) -> SnapshotUsage:
        """What a snapshot takes up, and who depends on it.

        :param id_: the image's internal id
        :raises errors.ImageNotFound: when there is no such image
        :raises errors.SnapshotNotFound: when it has no such snapshot
        """
        subject = f'usage of snapshot {name} of image id {id_}'
        with errors.translated(subject), \
                rbd.Image(self._ioctx, image_id=id_,
                          read_only=True) as image, \
                errors.translated(subject, errors.SnapshotNotFound):
            held = _extent(image, name)
            image.set_snap(name)
            return SnapshotUsage(held, tuple(_children(image)))

    @native.in_native_thread
    def is_watched(self, id_: str) -> bool:
        """Whether a client has an image open for writing."""
        try:
            return self.watches(id_) > 0
        except errors.ImageNotFound:
            return False  # nobody has open what is gone

    @native.in_native_thread
    def watches(self, id_: str) -> int:
        """How often an image is open for writing, by ourselves included.

        Clients that opened it read-only cannot be seen.
        """
        with errors.translated(f'watchers of image id {id_}'), \
                rbd.Image(self._ioctx, image_id=id_,
                          read_only=True) as image:
            return watchers.count(image)

    @native.in_native_thread
    def watched(self, ids: Sequence[str]) -> frozenset[str]:
        """Those of the images that a client has open for writing.

        Opens several at a time.  Images that cannot be opened are left out.
        """
        ioctx = self._ioctx
        return frozenset(
            id_ for start in range(0, len(ids), _AT_ONCE)
            for id_, image in _opened(ioctx, ids[start:start + _AT_ONCE])
            if _has_watchers(image))


def _opened(ioctx: Any,
            ids: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Open images all at once; each is closed when the next is asked for."""
    found: dict[str, Any] = {}

    def keep(id_: str) -> Callable[[Any, Any], None]:
        def complete(_: Any, image: Any) -> None:
            found[id_] = image
        return complete

    with errors.translated(f'opening of image id {ids[0]} and others'):
        asked = [rbd.RBD().aio_open_image(keep(id_), ioctx, image_id=id_,
                                          read_only=True) for id_ in ids]
        for completion in asked:
            completion.wait_for_complete_and_cb()
    for id_, completion in zip(ids, asked, strict=True):
        if completion.get_return_value() == 0:
            with found[id_] as image:
                yield id_, image


def _has_watchers(image: Any) -> bool:
    try:
        return watchers.count(image) > 0
    except rbd.ImageNotFound:
        return False  # removed meanwhile


def _usage(ioctx: Any, *, name: str | None = None,
           id_: str | None = None) -> Usage:
    with errors.translated(f'usage of image {name or id_}'), \
            rbd.Image(ioctx, name=name, image_id=id_,
                      read_only=True) as image:
        used = used_by(image)
        snapshots = header.snapshots(ioctx, image.id())
        children: list[Child] = []
        for snapshot in snapshots:
            image.set_snap_by_id(snapshot.id)
            children.extend(_children(image))
        return Usage(
            image.size(), used,
            tuple(one.name for one in snapshots if one.is_users),
            tuple(children))


def _children(image: Any) -> list[Child]:
    found = []
    for one in image.list_children2():
        path = one['pool'], one['pool_namespace'], one['image']
        found.append(Child('/'.join(filter(None, path)), one['trash']))
    return found


def used_by(image: Any) -> int:
    """Bytes of existing objects; quick with a valid fast-diff map."""
    return _extent(image, None, only_existing=True)


def _extent(image: Any, since: str | None,
            only_existing: bool = False) -> int:
    """Bytes of the objects that differ from a snapshot, or from nothing."""
    found = 0

    def add(_offset: int, length: int, exists: bool) -> None:
        nonlocal found
        if exists or not only_existing:
            found += length

    image.diff_iterate(0, image.size(), since, add, include_parent=False,
                       whole_object=True)
    return found
