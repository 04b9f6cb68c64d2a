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
"""Images by the beginning of their names, without listing the pool.

A pool's directory is the omap of ``rbd_directory``, with a key
``name_<image>`` for each image (src/cls/rbd/cls_rbd.cc, ``dir_add_image``).
Keys are sorted and the answer can begin anywhere, so the cost is that of the
images found and of at most one page more, whatever else is in the pool.

librados' own access to an omap, and librbd's lists, raise UnicodeDecodeError
where any name in the pool is not UTF-8; the object class gives bytes.
"""

from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
import struct
from typing import Any

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph import native
from rbd_imgdriver.ceph.wire import calls
from rbd_imgdriver.ceph.wire import encoding
from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver.ceph.wire import survey

OBJECT = 'rbd_directory'
_FIRST_PAGE = 64
_LARGEST_PAGE = 1024


@dataclasses.dataclass(frozen=True)
class Listed:
    """An image as its header describes it.

    :param id: Ceph's internal id
    :param size: bytes of the head
    :param created: seconds since the epoch
    """

    name: str
    id: str
    size: int
    created: float
    metadata: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Named:
    """What a name leads to.

    :param id: Ceph's internal id of the image
    :param name: what the directory calls the image of that id: another one
        while it is being renamed, None when it is in the trash or gone
    :param metadata: None when the image is gone and only its name is left
    :param snapshots: names, those in the snapshot trash left out
    """

    id: str
    name: str | None
    metadata: dict[str, str] | None
    snapshots: tuple[str, ...]


class Directory(native.Part):
    """The directory of a pool's images."""

    @native.in_native_thread
    def exists(self, image: str) -> bool:
        """Whether there is an image of that name (trash not included)."""
        return id_of(self._ioctx, image) is not None

    @native.in_native_thread
    def id(self, image: str) -> str:
        """Ceph's internal id of an image.

        :raises errors.ImageNotFound: when there is none of that name
        """
        return header.image_id(self._ioctx, image)

    @native.in_native_thread
    def named(self, image: str) -> Named | None:
        """What a name leads to, or None; some reads of 0.2 ms."""
        return named(self._ioctx, image)

    @native.in_native_thread
    def is_headless(self, image: str) -> bool:
        """Whether a name leads to an image that is gone, or is just made."""
        return is_headless(self._ioctx, image)

    @native.in_native_thread
    def ids(self) -> dict[str, str]:
        """The ids of all images by name; for rare, long work only."""
        return names(self._ioctx, '')

    @native.in_native_thread
    def listed(self, prefix: str) -> list[Listed]:
        """The images whose names begin with ``prefix``, with their headers.

        The cost is that of the images found, not of the pool.  Images that
        vanish meanwhile are left out.
        """
        ioctx = self._ioctx
        found = []
        for name, id_ in names(ioctx, prefix).items():
            try:
                size, _ = header.size(ioctx, id_)
                found.append(Listed(name, id_, size,
                                    header.created(ioctx, id_),
                                    header.metadata(ioctx, id_)))
            except errors.ImageNotFound:
                continue
        return found

    @native.in_native_thread
    def sizes(self, ids: Sequence[str]) -> dict[str, int]:
        """The sizes in bytes of images by id; see :func:`survey.sizes`."""
        return survey.sizes(self._ioctx, ids)

    @native.in_native_thread
    def snapshots(self,
                  ids: Sequence[str]) -> dict[str, list[header.Snapshot]]:
        """The snapshots of images by id; see :func:`survey.snapshots`."""
        return survey.snapshots(self._ioctx, ids)

    @native.in_native_thread
    def values(self, key: str) -> dict[str, str]:
        """The values of one metadata key on all images, by image id.

        Reads every header of the pool; see :func:`survey.values`.
        """
        ioctx = self._ioctx
        return survey.values(ioctx, names(ioctx, '').values(), key)


def group_name(ioctx: Any, group_id: str) -> str:
    """The name of an RBD group of the pool.

    :raises errors.ImageNotFound: when there is no such group
    """
    reply = calls.call(ioctx, 'rbd_group_directory', 'dir_get_name',
                       encoding.text(group_id))
    return str(encoding.Reader(reply).text())


def named(ioctx: Any, name: str) -> Named | None:
    """What a name leads to, or None."""
    id_ = id_of(ioctx, name)
    if id_ is None:
        return None
    try:
        metadata = header.metadata(ioctx, id_)
    except errors.ImageNotFound:
        return Named(id_, name_of(ioctx, id_), None, ())
    return Named(id_, name_of(ioctx, id_), metadata,
                 tuple(_snapshots(ioctx, id_)))


def _snapshots(ioctx: Any, id_: str) -> Iterator[str]:
    for one in header.snapshot_ids(ioctx, id_):
        try:
            found = header.snapshot(ioctx, id_, one)
        except (errors.ImageNotFound, errors.SnapshotNotFound):
            continue  # removed meanwhile
        if not found.trashed:
            yield found.name


def drop_name(ioctx: Any, name: str, id_: str) -> None:
    """Remove a name whose image is gone.

    :param id_: of that image; while it has a header nothing is done
    """
    if id_of(ioctx, name) != id_:
        return
    try:
        header.size(ioctx, id_)
    except errors.ImageNotFound:
        with errors.translated(f'removal of the name {name}'):
            ioctx.remove_object(header.id_object(name))


def names(ioctx: Any, prefix: str) -> dict[str, str]:
    """The ids of the images whose names begin with ``prefix``, by name."""
    found: dict[str, str] = {}
    after, size = _before(prefix), _FIRST_PAGE
    while True:
        query = encoding.text(after) + struct.pack('<Q', size)
        try:
            answer = calls.call(ioctx, OBJECT, 'dir_list', query)
        except errors.ImageNotFound:
            return found  # a pool that never had an image
        page = encoding.Reader(answer).pairs()
        beginning = {name: id_ for name, id_ in page.items()
                     if name.startswith(prefix)}
        found.update(beginning)
        last = max(page, key=encoding.to_bytes, default='')
        if len(page) < size or last not in beginning:
            return found
        after, size = last, min(2 * size, _LARGEST_PAGE)


def _before(prefix: str) -> str:
    """What sorts before all that begins with ``prefix``, and little else."""
    return prefix and prefix[:-1] + chr(ord(prefix[-1]) - 1) + '\x7f'


def id_of(ioctx: Any, name: str) -> str | None:
    """The id of an image, or None when there is none of that name."""
    try:
        return header.image_id(ioctx, name)
    except errors.ImageNotFound:
        return None


def finish_rename(ioctx: Any, old: str, new: str, id_: str) -> bool:
    """Finish a rename whose client died between its steps.

    librbd writes ``rbd_id.<new>``, then changes the directory, then removes
    ``rbd_id.<old>`` (src/librbd/operation/RenameRequest.cc).  Between the
    first and the second, both names open the image and the directory has the
    old one.

    :param id_: of the image that is renamed
    :returns: False when the rename has not begun
    """
    if id_of(ioctx, new) != id_:
        return False
    query = b''.join(encoding.text(part) for part in (old, new, id_))
    with errors.translated(f'rename of {old} to {new}'):
        if name_of(ioctx, id_) == old:
            calls.call(ioctx, OBJECT, 'dir_rename_image', query)
        if id_of(ioctx, old) == id_:
            ioctx.remove_object(header.id_object(old))
    return True


def listed_id(ioctx: Any, name: str) -> str | None:
    """The id of an image by the directory, or None when it is not in it.

    Unlike ``rbd_id.<name>``, which a move to the trash removes first, the
    directory has the name until the end of a move or a removal.
    """
    try:
        answer = calls.call(ioctx, OBJECT, 'dir_get_id',
                            encoding.text(name))
    except errors.ImageNotFound:
        return None
    return encoding.Reader(answer).text()


def any_id(ioctx: Any, name: str) -> str | None:
    """The id that a name leads to, also while it is only half there."""
    id_ = id_of(ioctx, name)
    return listed_id(ioctx, name) if id_ is None else id_


def is_headless(ioctx: Any, name: str) -> bool:
    """Whether a name leads to an image that is gone, or is just made.

    What makes an image writes its name first, what removes it the header.
    """
    id_ = any_id(ioctx, name)
    if id_ is None:
        return False
    try:
        header.size(ioctx, id_)
    except errors.ImageNotFound:
        return True
    return False


def name_of(ioctx: Any, id_: str) -> str | None:
    """The name of an image, or None when it is in the trash or gone."""
    try:
        answer = calls.call(ioctx, OBJECT, 'dir_get_name',
                            encoding.text(id_))
    except errors.ImageNotFound:
        return None
    return encoding.Reader(answer).text()
