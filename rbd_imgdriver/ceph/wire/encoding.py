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
"""Ceph's binary encoding (src/include/encoding.h), as far as we need it.

Little-endian; a string is its length and its bytes, a map its size and its
pairs, and a versioned structure starts with an envelope of its version, the
oldest version that can read it, and its length.
"""

from collections.abc import Mapping
import struct

_ENVELOPE = struct.Struct('<BBI')
_ANY_BYTES = 'surrogateescape'


def text(value: str) -> bytes:
    """A string."""
    data = to_bytes(value)
    return struct.pack('<I', len(data)) + data


def to_bytes(value: str) -> bytes:
    """What Ceph stores for a string that was read from it.

    Ceph takes any bytes for a name and for metadata; what is not UTF-8 is
    kept as Python keeps such file names, so that it comes back unchanged.
    """
    return value.encode(errors=_ANY_BYTES)


def from_bytes(data: bytes) -> str:
    """The string for what Ceph stores."""
    return data.decode(errors=_ANY_BYTES)


def pairs(values: Mapping[str, str]) -> bytes:
    """A map of strings."""
    return struct.pack('<I', len(values)) + b''.join(
        text(key) + text(value) for key, value in sorted(values.items()))


def versioned(body: bytes) -> bytes:
    """A structure in its first version."""
    return _ENVELOPE.pack(1, 1, len(body)) + body


class Reader:
    """Reads an encoded value from the front of a buffer."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def _unpack(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self._data, self.at)
        self.at += struct.calcsize(form)
        return int(value)

    def enter(self) -> int:
        """Skip a structure's envelope; returns where the structure ends."""
        _, _, length = _ENVELOPE.unpack_from(self._data, self.at)
        self.at += _ENVELOPE.size
        return self.at + int(length)

    def jump(self, end: int) -> None:
        """Go on at a structure's end, whatever newer versions put there."""
        self.at = end

    def uint8(self) -> int:
        return self._unpack('<B')

    def uint32(self) -> int:
        return self._unpack('<I')

    def int64(self) -> int:
        return self._unpack('<q')

    def uint64(self) -> int:
        return self._unpack('<Q')

    def text(self) -> str:
        length = self._unpack('<I')
        data = self._data[self.at:self.at + length]
        self.at += length
        return from_bytes(data)

    def pairs(self) -> dict[str, str]:
        return {self.text(): self.text() for _ in range(self.uint32())}
