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
"""What the object ``rbd_trash`` of a pool says, and an unfinished move.

librbd moves an image to the trash in steps (src/librbd/trash/MoveRequest.cc):
it writes an entry of the state *moving*, removes ``rbd_id.<name>``, removes
the name from the directory, and sets the entry's state to *normal*.  A client
that dies in between leaves an image that is neither here nor there: librbd
finds it by its name no more, and refuses to remove it from the trash.

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

from collections.abc import Iterator
import dataclasses
import struct
from typing import Any

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.wire import calls
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver.ceph.wire import encoding
from rbd_imgdriver.ceph.wire import header

_TRASH = 'rbd_trash'
_PAGE = 256
_NORMAL, _MOVING = 0, 1  # cls::rbd::TrashImageState
_REMOVING_SOURCE = 3  # TRASH_IMAGE_SOURCE_REMOVING: librbd hides these


@dataclasses.dataclass(frozen=True)
class Trashed:
    """An image in the trash.

    :param deferred_until: when it may be removed, in seconds since the epoch
    :param is_moving: whether its move to the trash has not ended
    """

    id: str
    name: str
    deferred_until: float
    is_moving: bool = False


def entry(ioctx: Any, id_: str) -> Trashed:
    """An image's entry.

    :raises errors.ImageNotFound: when it is not in the trash
    """
    answer = calls.call(ioctx, _TRASH, 'trash_get', encoding.text(id_))
    return _decoded(id_, encoding.Reader(answer))[0]


def is_in(ioctx: Any, id_: str) -> bool:
    """Whether an image is in the trash, or half in it."""
    try:
        entry(ioctx, id_)
    except errors.ImageNotFound:
        return False
    return True


def entries(ioctx: Any) -> list[Trashed]:
    """What is in the trash of the pool."""
    return [one for one, source in _all(ioctx) if source != _REMOVING_SOURCE]


def unfinished(ioctx: Any, name: str) -> Trashed | None:
    """An image whose move to the trash has not ended, by its old name."""
    return next((one for one, _ in _all(ioctx)
                 if one.is_moving and one.name == name), None)


def finish_move(ioctx: Any, moving: Trashed) -> None:
    """Finish a move to the trash whose client died between its steps.

    Each step finds what it names by the image's id, so that another image
    that has the name by now is left alone, and does nothing when somebody
    else has done it.
    """
    try:
        if header.image_id(ioctx, moving.name) == moving.id:
            with errors.translated(f'move of {moving.name} to the trash'):
                ioctx.remove_object(header.id_object(moving.name))
    except errors.ImageNotFound:
        pass  # that step was done
    _unless_done(ioctx, directory.OBJECT, 'dir_remove_image',
                 encoding.text(moving.name) + encoding.text(moving.id))
    _unless_done(ioctx, _TRASH, 'trash_state_set',
                 encoding.text(moving.id) + bytes([_NORMAL, _MOVING]))


def _unless_done(ioctx: Any, name: str, method: str, query: bytes) -> None:
    """A step that may have been done; ESTALE and ENOENT say that it was."""
    try:
        calls.call(ioctx, name, method, query)
    except (errors.ImageNotFound, errors.Stale):
        return


def _all(ioctx: Any) -> Iterator[tuple[Trashed, int]]:
    after = ''
    while True:
        query = encoding.text(after) + struct.pack('<Q', _PAGE)
        try:
            answer = calls.call(ioctx, _TRASH, 'trash_list', query)
        except errors.ImageNotFound:
            return  # a pool that never had a trash
        reader = encoding.Reader(answer)
        count = reader.uint32()
        for _ in range(count):
            after = reader.text()
            yield _decoded(after, reader)
        if count < _PAGE:
            return


def _decoded(id_: str, reader: encoding.Reader) -> tuple[Trashed, int]:
    """A cls::rbd::TrashImageSpec, and who put the image there."""
    end = reader.enter()
    source = reader.uint8()
    name = reader.text()
    reader.uint64()  # when it was put there
    deferred_until = reader.uint32()
    reader.uint32()  # nanoseconds
    # The state is missing where it was written by a client before Nautilus.
    state = reader.uint8() if reader.at < end else _NORMAL
    reader.jump(end)
    return (Trashed(id_, name, float(deferred_until), state == _MOVING),
            source)
