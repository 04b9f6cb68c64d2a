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
"""Reading what an image holds, in order and without its holes."""

import collections
from collections.abc import Iterator
import contextlib
from typing import Any

import rbd

from rbd_imgdriver.ceph import client as ceph_client
from rbd_imgdriver.ceph import errors

# Bytes of one read, and how many reads are on their way at most.
PIECE = 4 * 1024 * 1024
_AHEAD = 8


class Reader:
    """Reads an image's head.  All methods block.

    :param ioctx: of the image's pool
    :param hold: keeps the client until the image is closed
    """

    def __init__(self, ioctx: Any, image: str,
                 hold: ceph_client.Hold) -> None:
        self._subject = f'reading of {image}'
        self._hold = hold
        with contextlib.ExitStack() as opened:
            opened.callback(hold.release)
            opened.enter_context(hold.translated(self._subject))
            self._image = opened.enter_context(
                rbd.Image(ioctx, image, read_only=True))
            self.size = int(self._image.size())
            self._places = _pieces(_extents(self._image))
            self._opened = opened.pop_all()
        self._ahead: collections.deque[_Read] = collections.deque()
        self._depth = 1

    def next(self) -> tuple[int, bytes] | None:
        """The next piece of data and where it lies; None at the end.

        What lies between two pieces, and behind the last, are zeros.  The
        more pieces are taken, the more are read ahead: who only looks at an
        image's header does not wait for others.
        """
        with self._hold.translated(self._subject):
            while len(self._ahead) < self._depth:
                place = next(self._places, None)
                if place is None:
                    break
                self._ahead.append(_Read(self._image, *place))
            if not self._ahead:
                return None
            self._depth = min(2 * self._depth, _AHEAD)
            read = self._ahead.popleft()
            return read.offset, read.wait(self._subject)

    def close(self) -> None:
        """Close the image."""
        self._opened.close()


class _Read:
    """One read on its way."""

    def __init__(self, image: Any, offset: int, length: int) -> None:
        self.offset = offset
        self._data = b''
        self._completion = image.aio_read(offset, length, self._arrived)

    def _arrived(self, _completion: Any, data: bytes | None) -> None:
        self._data = data or b''

    def wait(self, subject: str) -> bytes:
        self._completion.wait_for_complete_and_cb()
        result = self._completion.get_return_value()
        if result < 0:
            raise errors.of_code(subject, result)
        return self._data


def _extents(image: Any) -> list[tuple[int, int]]:
    """(offset, length) of the objects that exist, the parents' included."""
    found: list[tuple[int, int]] = []

    def extent(offset: int, length: int, exists: bool) -> None:
        if exists:
            found.append((offset, length))

    image.diff_iterate(0, image.size(), None, extent, include_parent=True,
                       whole_object=True)
    return found


def _pieces(extents: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same in parts that end at multiples of the piece."""
    for offset, length in extents:
        end = offset + length
        while offset < end:
            until = min(end, (offset // PIECE + 1) * PIECE)
            yield offset, until - offset
            offset = until
