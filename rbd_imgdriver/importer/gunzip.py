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


def unpacked(image_id: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What is inside a gzip stream, piece by piece.

    :raises errors.ImageUnsafe: when it is no gzip stream
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
        self._input = b''
        self._started = False

    def feed(self, chunk: bytes) -> None:
        self._input += chunk
        if not self._started and len(self._input) >= len(_MAGIC):
            if not self._input.startswith(_MAGIC):
                raise errors.ImageUnsafe(
                    self._image_id, 'it is declared compressed but not by '
                    'gzip, the only way that Cinder knows')
            self._started = True

    def next_piece(self) -> bytes:
        """The next output, or nothing when more input is needed."""
        while self._input:
            if self._member.eof and not self._next_member():
                return b''
            try:
                piece = self._member.decompress(self._input, _PIECE)
            except zlib.error as error:
                raise errors.ImageDamaged(
                    self._image_id, 'its gzip stream is damaged: '
                    f'{error}') from error
            self._input = (self._member.unused_data
                           or self._member.unconsumed_tail)
            if piece:
                return piece
        return b''

    def check_complete(self) -> None:
        if not self._member.eof:
            raise errors.ImageDamaged(self._image_id,
                                      'its gzip stream ends too early')

    def _next_member(self) -> bool:
        # gzip pads with zeros where it writes to tapes.
        self._input = self._input.lstrip(b'\0')
        if self._input:
            self._member = zlib.decompressobj(_GZIP)
        return bool(self._input)
