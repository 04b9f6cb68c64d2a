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
"""VirtualBox's disk.

Layout: qemu's block/vdi.c.
"""

import struct

from oslo_utils.imageutils import format_inspector

from rbd_imgdriver.importer.check import rules

_VERSION = 0x10001
_KINDS = (1, 2)  # growing, fixed; not: differencing disks
_BLOCK = 1024 * 1024  # bytes; qemu knows no others


class VDI(format_inspector.VDIInspector):
    """A disk without a parent, whose table has the length that it needs.

    qemu reads the table whole into memory, whatever the file holds of it.
    """

    def _initialize(self) -> None:
        super()._initialize()
        rules.add(self, 'kind', self._check_kind)
        rules.add(self, 'parent', self._check_parent)
        rules.add(self, 'table', self._check_table)

    def _check_kind(self) -> None:
        header = self.region('header').data
        version, _, kind = struct.unpack_from('<III', header, 68)
        rules.require(version == _VERSION, 'it has an unknown version')
        rules.require(kind in _KINDS, 'it is a differencing disk')

    def _check_parent(self) -> None:
        # The unique ids of what it is linked to, and of its parent.
        rules.require(not self.region('header').data[424:456].strip(b'\0'),
                      'it is a differencing disk')

    def _check_table(self) -> None:
        table, data = struct.unpack_from('<II', self.region('header').data,
                                         340)
        size, block, _, blocks, allocated = struct.unpack_from(
            '<QIIII', self.region('header').data, 368)
        rules.require(block == _BLOCK, 'its blocks have an unknown size')
        rules.require(blocks == -(-size // block) and allocated <= blocks,
                      'its number of blocks does not fit its size')
        rules.require(blocks * 4 <= rules.LARGEST_TABLE,
                      'its table of blocks would be too large')
        rules.require(table >= 512 and table + blocks * 4 <= data,
                      'its table of blocks is not before its data')
