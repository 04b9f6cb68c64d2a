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
"""qcow2: a disk that stands alone.

Layout: qemu's docs/interop/qcow2.txt.
"""

from collections.abc import Iterator
import struct

from oslo_utils.imageutils import format_inspector

from rbd_imgdriver.importer.check import rules

_MAGIC = b'QFI\xfb'
_EXTENSION = struct.Struct('>II')  # its type and its length
_MOST = 4096  # bytes in which the extensions have to end

# Incompatible features: not closed properly, type of compression, extended
# tables.  Not: known to be corrupt, data in another file.
_FEATURES = 1 | 1 << 3 | 1 << 4
_BITMAPS = 1  # an autoclear feature; the other says that a file is raw
_LENGTHS = range(104, 113, 8)  # of a header of version 3

# Header extensions that change nothing of the data: names of features,
# bitmaps.  Not: a backing file's format, a data file, encryption.
_HARMLESS = {0x6803f857, 0x23852875}


class Qcow2(format_inspector.QcowInspector):
    """qcow2 without a backing file, a data file or encryption."""

    def _initialize(self) -> None:
        super()._initialize()
        rules.add(self, 'header', self._check_header)
        rules.add(self, 'extensions', self._check_extensions)

    def post_process(self) -> None:
        """See :class:`format_inspector.FileInspector`."""
        header = self.region('header')
        if (header.complete and header.data.startswith(_MAGIC)
                and not self.has_region('extensions')):
            (bits,) = struct.unpack_from('>I', header.data, 20)
            length = min(1 << min(bits, 32), _MOST)
            self.new_region('extensions',
                            format_inspector.CaptureRegion(0, length))

    def _check_header(self) -> None:
        check_header(bytes(self.region('header').data))

    def _check_extensions(self) -> None:
        check_extensions(bytes(self.region('extensions').data))


def check_header(header: bytes) -> None:
    """Whether a header of 112 bytes or more speaks of one file only.

    :raises format_inspector.SafetyViolation: when it may not
    """
    version, backing, name, bits = struct.unpack_from('>IQII', header, 4)
    (encryption,) = struct.unpack_from('>I', header, 32)
    rules.require(version in (2, 3), 'it has an unknown version')
    rules.require(backing == 0 and name == 0, 'it has a backing file')
    rules.require(9 <= bits <= 21, 'its clusters have an impossible size')
    rules.require(encryption == 0,
                  'it is encrypted, and nobody has its key here')
    if version == 3:
        features, _, autoclear, order, length = struct.unpack_from(
            '>QQQII', header, 72)
        rules.require(not features & ~_FEATURES,
                      'it is corrupt, has a data file or unknown features')
        rules.require(not autoclear & ~_BITMAPS,
                      'it has a raw data file or unknown features')
        rules.require(order <= 6, 'its reference counts are too wide')
        rules.require(length in _LENGTHS, 'its header has an unknown length')


def check_extensions(begin: bytes) -> None:
    """Whether nothing but harmless extensions follows the header.

    :param begin: the first cluster, or the first 4 KiB of it
    :raises format_inspector.SafetyViolation: when something does
    """
    for kind in _extensions(begin):
        rules.require(kind in _HARMLESS,
                      f'it has the header extension {kind:#x}')


def _extensions(begin: bytes) -> Iterator[int]:
    (version,) = struct.unpack_from('>I', begin, 4)
    at = 72
    if version == 3:
        (at,) = struct.unpack_from('>I', begin, 100)
    while at + _EXTENSION.size <= len(begin):
        kind, length = _EXTENSION.unpack_from(begin, at)
        if kind == 0:
            return
        yield kind
        at += _EXTENSION.size + (length + 7) // 8 * 8
    if at != len(begin):
        raise format_inspector.SafetyViolation(
            'its header extensions have no end')
