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
"""VMware's disks: one file that holds its own data, and nothing else.

Layout and grammar: VMware's "Virtual Disk Format 5.0" and qemu's
block/vmdk.c.  qemu follows the extents of a descriptor that stands alone, and
of one behind a header with no capacity; of one behind any other header it
reads nothing but the parent's name.
"""

from collections.abc import Iterator
import re
import struct

from oslo_utils.imageutils import format_inspector

from rbd_imgdriver.importer.check import rules

# Magic, version, flags, capacity, grain, descriptor's offset and size, entries
# of a table, offsets of the redundant and of the real grain directory.
_HEADER = struct.Struct('<4sIIQQQQIQQ')
_MAGIC = b'KDMV'
_FOOTER = 512  # into the last three sectors: marker, footer, end of stream

# Sectors.  qemu reads 20 of the descriptor.  It holds several grains in
# memory.
_DESCRIPTOR = 20
_GRAINS = (8, 2048)
_TABLE = 512  # entries

_KINDS = {'monolithicSparse', 'streamOptimized'}
_NO_PARENT = 'ffffffff'
_CID_DIGITS = 8

_VALUE = r'[ ]?=[ ]?("?)([^"\t\0]*)\2'
_FIELD = re.compile(r'(version|encoding|CID|parentCID|isNativeSnapshot|'
                    r'createType)' + _VALUE)
_DATA_BASE = re.compile(r'(ddb\.[A-Za-z0-9_.]+)' + _VALUE)
_EXTENT = re.compile(r'(RW|RDONLY) ([0-9]+) SPARSE "[^"/\\\t\0:]+"')


class VMDK(format_inspector.VMDKInspector):
    """A binary sparse extent with exactly one descriptor.

    :param types: subformats that the operator allows
    """

    def __init__(self, types: tuple[str, ...] = ()) -> None:
        self._types = types
        super().__init__()

    def _initialize(self) -> None:
        super()._initialize()
        rules.add(self, 'header', self._check_header)
        rules.add(self, 'extents', self._check_extents)

    def _check_header(self) -> None:
        rules.require(self.has_region('header'),
                      'it is the description of other files')
        header = bytes(self.region('header').data)
        check_header(header)
        if self.has_region('footer'):
            footer = bytes(self.region('footer').data)[_FOOTER:2 * _FOOTER]
            rules.require(
                _same_disk(header) == _same_disk(footer),
                'its footer speaks of another disk than its header')

    def _check_extents(self) -> None:
        kind = create_type(bytes(self.region('descriptor').data))
        rules.require(
            kind in self._types,
            f'its type is {kind}; allowed are: '
            f'{", ".join(self._types) or "none"} (vmdk_allowed_types)')


def check_header(header: bytes) -> None:
    """Whether all readers take the data from this file.

    :raises format_inspector.SafetyViolation: when they may not
    """
    rules.require(header.startswith(_MAGIC) and len(header) >= _HEADER.size,
                  'it is not a sparse extent; convert it to streamOptimized')
    (_, version, _, capacity, grain, offset, size, entries, _,
     _) = _HEADER.unpack_from(header)
    rules.require(version in (1, 2, 3), 'it has an unknown version')
    rules.require(0 < capacity < 2**53, 'it has no capacity, or no possible '
                  'one')
    rules.require(rules.is_power_of_2(grain)
                  and _GRAINS[0] <= grain <= _GRAINS[1],
                  'its grains have an unusual size')
    rules.require(0 < entries <= _TABLE, 'its tables have an unusual size')
    rules.require(capacity // (grain * entries) * 4 < rules.LARGEST_TABLE,
                  'its grain directory would be too large')
    rules.require(offset == 1 and size > 0,
                  'its descriptor is not where it has to be')


def create_type(descriptor: bytes) -> str:
    """The subformat that a descriptor names, if all of it is understood.

    :param descriptor: the sectors that hold it
    :raises format_inspector.SafetyViolation: when it is not
    """
    text, end, rest = descriptor.partition(b'\0')
    rules.require(bool(end) and _is_remainder(rest.rstrip(b'\0'), text),
                  'something follows its descriptor')
    rules.require(len(text) < _DESCRIPTOR * 512, 'its descriptor is too long')
    fields: dict[str, str] = {}
    extents = 0
    for line in _lines(text):
        if _EXTENT.fullmatch(line):
            extents += 1
            continue
        known = _FIELD.fullmatch(line) or _DATA_BASE.fullmatch(line)
        if known is None:
            raise format_inspector.SafetyViolation(
                f'its descriptor has an unknown line: {line[:80]!r}')
        name, _, value = known.groups()
        rules.require(name not in fields, f'its descriptor has two {name}')
        fields[name] = value
    rules.require(extents == 1, 'it does not have exactly one extent')
    rules.require(fields.get('parentCID', '').lower() == _NO_PARENT,
                  'it is a differencing disk')
    kind = fields.get('createType', '')
    rules.require(kind in _KINDS, f'its type is {kind[:40]!r}; only '
                  f'{" and ".join(sorted(_KINDS))} hold their own data')
    return kind


def _is_remainder(rest: bytes, text: bytes) -> bool:
    """Whether it is nothing, or what a longer content ID has left.

    qemu writes a new descriptor with a CID of eight digits, later puts a CID
    without leading zeros in its place, and does not clear what the text was
    longer before (vmdk_write_cid() in block/vmdk.c).
    """
    return len(rest) < _CID_DIGITS - 1 and text.endswith(rest)


def _lines(text: bytes) -> Iterator[str]:
    """Those that are neither empty nor a comment."""
    try:
        words = text.decode('utf-8')
    except UnicodeDecodeError as error:
        raise format_inspector.SafetyViolation(
            'its descriptor is not text') from error
    for line in words.split('\n'):
        line = line.removesuffix('\r').rstrip(' ')
        rules.require('\r' not in line, 'its descriptor has broken lines')
        if line and not line.startswith('#'):
            yield line


def _same_disk(header: bytes) -> tuple[int, ...]:
    """What header and footer have to agree about."""
    return tuple(_HEADER.unpack_from(header)[1:8])
