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
"""Virtual hard disks, which Glance calls vhd and qemu vpc.

Layout: Microsoft's "Virtual Hard Disk Image Format Specification" and qemu's
block/vpc.c.
"""

import struct

from oslo_utils.imageutils import format_inspector

from rbd_imgdriver.importer.check import rules

_FIXED = 2
_DYNAMIC = 3
_BLOCKS = (4096, 256 * 1024 * 1024)  # bytes


class DynamicVHD(format_inspector.VHDInspector):
    """A virtual hard disk with its footer's copy at the beginning."""

    def _initialize(self) -> None:
        super()._initialize()
        self.new_region('dynamic', format_inspector.CaptureRegion(512, 1024))
        rules.add(self, 'parent', self._check_parent)
        rules.add(self, 'table', self._check_table)

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk; 0 as long as they are unknown."""
        return _current_size(self.region('header').data,
                             self.format_match)

    def _check_parent(self) -> None:
        footer = self.region('header').data
        header = self.region('dynamic').data
        rules.require(disk_type(footer) == _DYNAMIC,
                      'it is a differencing disk')
        rules.require(struct.unpack_from('>Q', footer, 16)[0] == 512
                      and header.startswith(b'cxsparse'),
                      'its header is not where it has to be')
        # The parent's unique id, time and name, and eight ways to find it.
        rules.require(not header[40:768].strip(b'\0'),
                      'it names another disk')

    def _check_table(self) -> None:
        offset, _, entries, block = struct.unpack_from(
            '>QIII', self.region('dynamic').data, 16)
        rules.require(rules.is_power_of_2(block)
                      and _BLOCKS[0] <= block <= _BLOCKS[1],
                      'its blocks have an impossible size')
        rules.require(entries * 4 <= rules.LARGEST_TABLE,
                      'its table of blocks would be too large')
        rules.require(self.virtual_size <= entries * block,
                      'its disk is larger than its table of blocks')
        rules.require(offset >= 1536, 'its table of blocks is not behind its '
                      'header')


class FixedVHD(format_inspector.FileInspector):
    """A virtual hard disk that is the raw disk and a footer.

    oslo.utils takes it for raw data.
    """

    NAME = 'vhd-fixed'

    def _initialize(self) -> None:
        self.new_region('footer', format_inspector.EndCaptureRegion(512))
        self.add_safety_check(format_inspector.SafetyCheck.null())

    @property
    def format_match(self) -> bool:
        """Whether the data ends as such a disk does."""
        footer = self.region('footer').data
        return (self.complete and footer.startswith(b'conectix')
                and disk_type(footer) == _FIXED)

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk; 0 as long as they are unknown."""
        return _current_size(self.region('footer').data, self.format_match)


def disk_type(footer: bytes | bytearray) -> int:
    """Fixed (2), dynamic (3) or differencing (4), as a VHD's footer says."""
    return int(struct.unpack_from('>I', footer, 60)[0])


def _current_size(footer: bytes | bytearray, known: bool) -> int:
    if not known or len(footer) < 512:
        return 0
    return int(struct.unpack_from('>Q', footer, 48)[0])
