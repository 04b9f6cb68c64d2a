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
"""Images in containers of the format ``compressed``: gzip, as in Cinder."""

from collections.abc import Iterable
from collections.abc import Iterator
import zlib

from rbd_imgdriver import blocking
from rbd_imgdriver import errors

_GZIP = 16 + zlib.MAX_WBITS
_MAGIC = b'\x1f\x8b'

# No more than this comes out of one step, however much is packed into it.
_PIECE = 4 * 1024 * 1024

# What zlib is given at a time: it copies all that lies behind the end of a
# member, for each member.
_SLICE = 16 * 1024

# Members cost time even when they are empty.  Beyond the first of them each
# has to hold so many bytes on average; those of bgzip and pigz hold 64 KiB.
_FREE_MEMBERS = 1024
_LEAST = 1024


def unpacked(image_id: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What is inside a gzip stream, piece by piece.

    :raises errors.ImageUnsafe: when it is not a gzip stream
    :raises errors.ImageDamaged: when it is damaged or incomplete
    """
    stream = _Stream(image_id)
    for chunk in chunks:
        stream.feed(chunk)
        while piece := blocking.run(stream.next_piece):
            yield piece
    stream.check_complete()


class _Stream:
    """One or several gzip members, one after the other."""

    def __init__(self, image_id: str) -> None:
        self._image_id = image_id
        self._member = zlib.decompressobj(_GZIP)
        self._members = 1
        self._length = 0  # bytes that have come out
        self._begin = b''  # of the stream, until it proves to be gzip
        self._chunk = b''
        self._at = 0  # in the chunk
        self._input = b''  # the slice at hand

    def feed(self, chunk: bytes) -> None:
        """Take the next input; all of the last one must be used up."""
        if self._begin != _MAGIC:
            self._begin = (self._begin + chunk)[:len(_MAGIC)]
            if not _MAGIC.startswith(self._begin):
                raise errors.ImageUnsafe(
                    self._image_id, 'it is declared compressed but is not in '
                    'the gzip format, the only one that Cinder knows')
        self._chunk, self._at = chunk, 0

    def next_piece(self) -> bytes:
        """The next output, or nothing when more input is needed."""
        while self._more_input():
            if self._member.eof and not self._next_member():
                continue
            try:
                piece = self._member.decompress(self._input, _PIECE)
            except zlib.error as error:
                raise errors.ImageDamaged(
                    self._image_id, 'its gzip stream is damaged: '
                    f'{error}') from error
            self._input = (self._member.unused_data
                           or self._member.unconsumed_tail)
            if piece:
                self._length += len(piece)
                return piece
        return b''

    def check_complete(self) -> None:
        """:raises errors.ImageDamaged: when a member has no end"""
        if not self._member.eof:
            raise errors.ImageDamaged(self._image_id,
                                      'its gzip stream ends too early')

    def _more_input(self) -> bool:
        if not self._input:
            self._input = self._chunk[self._at:self._at + _SLICE]
            self._at += _SLICE
        return bool(self._input)

    def _next_member(self) -> bool:
        # gzip pads with zeros where it writes to tapes.
        self._input = self._input.lstrip(b'\0')
        if not self._input:
            return False
        self._members += 1
        if (self._members - _FREE_MEMBERS) * _LEAST > self._length:
            raise errors.ImageUnsafe(
                self._image_id, f'its gzip stream has {self._members} members '
                f'and only {self._length} bytes in them; compress it as one')
        self._member = zlib.decompressobj(_GZIP)
        return True
