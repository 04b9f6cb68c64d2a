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
"""Writing a stream of bytes into an image, leaving out the zeros."""

import collections
from collections.abc import Iterator
import contextlib
from typing import Any

import rbd

from rbd_imgdriver.ceph import client as ceph_client
from rbd_imgdriver.ceph import errors

# Zeros are looked for in blocks of this size.  Testing only whole objects
# writes far more: file systems put little into each object.
BLOCK = 64 * 1024
_ZERO_BLOCK = bytes(BLOCK)
_ZEROS = bytes(4 * 1024 * 1024)

# Bytes that may be on their way to the OSDs.
IN_FLIGHT = 32 * 1024 * 1024


def data_extents(chunk: bytes) -> Iterator[tuple[int, int]]:
    """Where a chunk has data, as [start, end) of adjoining blocks."""
    if chunk == _ZEROS[:len(chunk)]:
        return  # in one call, for most of a sparse image is
    start = None
    for at in range(0, len(chunk), BLOCK):
        block = chunk[at:at + BLOCK]
        if block == _ZERO_BLOCK[:len(block)]:
            if start is not None:
                yield start, at
                start = None
        elif start is None:
            start = at
    if start is not None:
        yield start, len(chunk)


class Writer:
    """Writes an image from its beginning, several requests in flight.

    The image must hold only zeros.  All methods block and must be called in
    one native thread.

    :param ioctx: of the image's pool
    :param image: its name
    :param hold: keeps the client until the image is closed
    """

    def __init__(self, ioctx: Any, image: str,
                 hold: ceph_client.Hold) -> None:
        self._subject = f'writing of {image}'
        self._hold = hold
        with contextlib.ExitStack() as opened:
            opened.callback(hold.release)
            opened.enter_context(hold.translated(self._subject))
            self._image = opened.enter_context(rbd.Image(ioctx, image))
            self._opened = opened.pop_all()
        self._offset = 0
        self._waiting: collections.deque[tuple[Any, int]] = (
            collections.deque())
        self._in_flight = 0
        self.written = 0

    def write(self, chunk: bytes) -> None:
        """Append a chunk; returns while the last parts are on their way.

        :raises errors.CephError: also for an earlier chunk
        """
        self.write_at((self._offset, chunk))
        self._offset += len(chunk)

    def write_at(self, piece: tuple[int, bytes]) -> None:
        """Write a chunk at an offset; the same otherwise."""
        offset, chunk = piece
        with self._hold.translated(self._subject):
            for start, end in data_extents(chunk):
                whole = (start, end) == (0, len(chunk))
                self._submit(chunk if whole else chunk[start:end],
                             offset + start)

    def zero(self, offset: int, length: int) -> None:
        """Make a part read as zeros, freeing what it takes up."""
        with self._hold.translated(self._subject):
            self._image.write_zeroes(offset, length)

    def close(self) -> None:
        """Wait for everything and close the image.

        :raises errors.CephError: when anything could not be written
        """
        try:
            with self._hold.translated(self._subject):
                while self._waiting:
                    self._reap()
                self._image.flush()
        finally:
            self._opened.close()

    def abandon(self) -> None:
        """Close the image, whatever becomes of what is on its way."""
        self._waiting.clear()
        self._opened.close()

    def _submit(self, data: bytes, offset: int) -> None:
        while self._in_flight and self._in_flight + len(data) > IN_FLIGHT:
            self._reap()
        completion = self._image.aio_write(data, offset, _ignore)
        self._waiting.append((completion, len(data)))
        self._in_flight += len(data)
        self.written += len(data)

    def _reap(self) -> None:
        completion, length = self._waiting.popleft()
        completion.wait_for_complete_and_cb()
        self._in_flight -= length
        result = completion.get_return_value()
        if result < 0:
            raise errors.of_code(self._subject, result)


def _ignore(completion: Any) -> None:
    """The result is asked for in order, not where it arrives."""
