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
"""Hyper-V's disks of the second kind.

Layout: Microsoft's [MS-VHDX] and qemu's block/vhdx.c.
"""

from collections.abc import Iterator
import struct

from oslo_utils.imageutils import format_inspector

from rbd_imgdriver.importer.check import rules

_REGION = struct.Struct('<16sQII')  # id, offset, length, required
_ITEM = struct.Struct('<16sIIII')  # id, offset, length, flags, reserved
_FIRST_REGION = 16
_FIRST_ITEM = 32

_BLOCK_TABLE = '2DC27766-F623-4200-9D64-115E9BFD4A08'
_PARAMETERS = 'CAA16737-FA36-4D43-B3B6-33F0AA44E76B'
_PARENT_LOCATOR = 'A8D35F2D-B30B-454D-ABF7-D3D84834AB0C'
_ITEMS = {
    _PARAMETERS: 8,
    '2FA54224-CD1B-4876-B211-5DBED83BF4B8': 8,  # size of the disk
    'BECA12AB-B2E6-4523-93EF-C309E000C746': 16,  # id of the disk
    '8141BF1D-A96F-4709-BA47-F233A8FAAB5F': 4,  # size of a logical sector
    'CDA348C7-445D-4471-9CC9-E9885251C556': 4,  # size of a physical sector
}

_HAS_PARENT = 2  # a bit of the parameters
_BLOCKS = (1024 * 1024, 256 * 1024 * 1024)  # bytes


class VHDX(format_inspector.VHDXInspector):
    """A disk without a parent, with one region and one item of each kind."""

    def _initialize(self) -> None:
        super()._initialize()
        rules.add(self, 'regions', self._check_regions)
        rules.add(self, 'items', self._check_items)
        rules.add(self, 'parameters', self._check_parameters)

    def post_process(self) -> None:
        """See :class:`format_inspector.FileInspector`."""
        super().post_process()
        if self.has_region('vds') and not self.has_region('parameters'):
            region = self._find_meta_entry(_PARAMETERS)
            if region is None:
                raise format_inspector.ImageFormatError(
                    'it has no parameters')
            self.new_region('parameters', region)

    @property
    def complete(self) -> bool:
        """Whether all that has to be checked is known."""
        return super().complete and self.has_region('parameters')

    def _check_regions(self) -> None:
        lengths = {}
        for name, length in self._regions():
            rules.require(name not in lengths, 'it has a region twice')
            lengths[name] = length
        rules.require(lengths.keys() == {_BLOCK_TABLE, self.METAREGION},
                      'it has unknown regions, or too few')
        rules.require(lengths[_BLOCK_TABLE] <= rules.LARGEST_TABLE,
                      'its table of blocks would be too large')

    def _check_items(self) -> None:
        seen = set()
        for name, length in self._items():
            rules.require(name != _PARENT_LOCATOR,
                          'it is a differencing disk')
            rules.require(_ITEMS.get(name) == length,
                          f'it has an unknown item {name}')
            rules.require(name not in seen, 'it has an item twice')
            seen.add(name)

    def _check_parameters(self) -> None:
        block, bits = struct.unpack('<II', self.region('parameters').data)
        rules.require(not bits & _HAS_PARENT,
                      'it is a differencing disk')
        rules.require(rules.is_power_of_2(block)
                      and _BLOCKS[0] <= block <= _BLOCKS[1],
                      'its blocks have an impossible size')

    def _regions(self) -> Iterator[tuple[str, int]]:
        data = bytes(self.region('header').data)
        (count,) = struct.unpack_from('<I', data, 8)
        for number in range(count):
            name, _, length, _ = _REGION.unpack_from(
                data, _FIRST_REGION + number * _REGION.size)
            yield self._guid(name), length

    def _items(self) -> Iterator[tuple[str, int]]:
        data = bytes(self.region('metadata').data)
        (count,) = struct.unpack_from('<H', data, 10)
        for number in range(count):
            name, _, length, _, _ = _ITEM.unpack_from(
                data, _FIRST_ITEM + number * _ITEM.size)
            yield self._guid(name), length
