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
"""Parallels' disk, which Glance calls ploop and qemu parallels.

Layout: qemu's docs/interop/parallels.txt.
"""

import struct

from oslo_utils.imageutils import format_inspector

from rbd_imgdriver.importer.check import rules

_CLUSTERS = (1, 65536)  # sectors


class Parallels(format_inspector.FileInspector):
    """A disk with its table of blocks and no extensions."""

    NAME = 'ploop'
    _MAGICS = (b'WithoutFreeSpace', b'WithouFreSpacExt')

    def _initialize(self) -> None:
        self.new_region('header', format_inspector.CaptureRegion(0, 64))
        rules.add(self, 'version', self._check_version)
        rules.add(self, 'table', self._check_table)

    @property
    def format_match(self) -> bool:
        """Whether the data is such a disk, as far as it has arrived."""
        return self.region('header').data.startswith(self._MAGICS)

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk; 0 as long as they are unknown."""
        header = self.region('header').data
        if not self.complete or not self.format_match:
            return 0
        (sectors,) = struct.unpack_from('<Q', header, 36)
        if header.startswith(self._MAGICS[0]):
            sectors &= 0xffffffff
        return int(sectors) * 512

    def _check_version(self) -> None:
        header = self.region('header').data
        (version,) = struct.unpack_from('<I', header, 16)
        (extension,) = struct.unpack_from('<Q', header, 56)
        rules.require(version == 2, 'it has an unknown version')
        rules.require(extension == 0, 'it has an extension of its format')

    def _check_table(self) -> None:
        cluster, entries = struct.unpack_from(
            '<II', self.region('header').data, 28)
        rules.require(_CLUSTERS[0] <= cluster <= _CLUSTERS[1],
                      'its clusters have an impossible size')
        rules.require(entries * 4 <= rules.LARGEST_TABLE,
                      'its table of blocks would be too large')
        rules.require(self.virtual_size <= cluster * 512 * entries,
                      'its disk is larger than its table of blocks')
