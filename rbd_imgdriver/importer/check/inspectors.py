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
"""Inspectors of disk formats: oslo.utils' own, and what they leave out.

Layouts are those of qemu's block drivers (block/qed.h, block/parallels.h,
block/vpc.c).
"""

import struct

from oslo_utils.imageutils import format_inspector


class QED(format_inspector.QEDInspector):
    """qemu's enhanced disk: allowed unless it points to another file.

    oslo.utils refuses the format as such, for nobody uses it.  Whoever lets
    Glance accept it does.
    """

    _NEEDS_CHECK = 2  # a feature bit: it was not closed properly

    def _initialize(self) -> None:
        super()._initialize()
        self._safety_checks.clear()
        self.add_safety_check(format_inspector.SafetyCheck(
            'features', self._check_features))

    @property
    def virtual_size(self) -> int:
        if not self.format_match:
            return 0
        return int(struct.unpack_from('<Q', self.region('header').data,
                                      48)[0])

    def _check_features(self) -> None:
        (features,) = struct.unpack_from('<Q', self.region('header').data,
                                         16)
        if features & ~self._NEEDS_CHECK:
            raise format_inspector.SafetyViolation(
                'it has a backing file or unknown features')


class Parallels(format_inspector.FileInspector):
    """Parallels' disk, which Glance calls ploop."""

    NAME = 'ploop'
    _MAGICS = (b'WithoutFreeSpace', b'WithouFreSpacExt')

    def _initialize(self) -> None:
        self.new_region('header', format_inspector.CaptureRegion(0, 64))
        self.add_safety_check(format_inspector.SafetyCheck(
            'version', self._check_version))

    @property
    def format_match(self) -> bool:
        return self.region('header').data.startswith(self._MAGICS)

    @property
    def virtual_size(self) -> int:
        header = self.region('header').data
        if not self.complete or not self.format_match:
            return 0
        (sectors,) = struct.unpack_from('<Q', header, 36)
        if header.startswith(self._MAGICS[0]):
            sectors &= 0xffffffff
        return int(sectors) * 512

    def _check_version(self) -> None:
        (version,) = struct.unpack_from('<I', self.region('header').data, 16)
        if version != 2:
            raise format_inspector.SafetyViolation('unknown version')


class DynamicVHD(format_inspector.VHDInspector):
    """A virtual hard disk with its footer's copy at the beginning."""

    _DYNAMIC = 3

    def _initialize(self) -> None:
        super()._initialize()
        self.add_safety_check(format_inspector.SafetyCheck(
            'parent', self._check_parent))

    def _check_parent(self) -> None:
        if disk_type(self.region('header').data) != self._DYNAMIC:
            raise format_inspector.SafetyViolation(
                'it is the difference to another disk')


class FixedVHD(format_inspector.FileInspector):
    """A virtual hard disk that is the raw disk and a footer.

    oslo.utils takes it for raw data.
    """

    NAME = 'vhd-fixed'
    _FIXED = 2

    def _initialize(self) -> None:
        self.new_region('footer', format_inspector.EndCaptureRegion(512))
        self.add_safety_check(format_inspector.SafetyCheck.null())

    @property
    def format_match(self) -> bool:
        footer = self.region('footer').data
        return (self.complete and footer.startswith(b'conectix')
                and disk_type(footer) == self._FIXED)

    @property
    def virtual_size(self) -> int:
        footer = self.region('footer').data
        if not self.format_match:
            return 0
        return int(struct.unpack_from('>Q', footer, 48)[0])


def disk_type(footer: bytes | bytearray) -> int:
    """Fixed (2), dynamic (3) or differencing (4), as a VHD's footer says."""
    return int(struct.unpack_from('>I', footer, 60)[0])


# Names are Glance's disk formats.  Raw is what nothing else matches.
_KINDS: dict[str, type[format_inspector.FileInspector]] = {
    'qcow2': format_inspector.QcowInspector,
    'vhd': DynamicVHD,
    'vhdx': format_inspector.VHDXInspector,
    'vmdk': format_inspector.VMDKInspector,
    'vdi': format_inspector.VDIInspector,
    'qed': QED,
    'ploop': Parallels,
    'iso': format_inspector.ISOInspector,
    'gpt': format_inspector.GPTInspector,
    'luks': format_inspector.LUKSInspector,
}


def for_declared(
        declared: str) -> dict[str, format_inspector.FileInspector]:
    """A new inspector for each format that the data could have."""
    made = {name: kind() for name, kind in _KINDS.items()}
    if declared == 'vhd':
        # It sees all of the data: not for those that cannot need it.
        made[FixedVHD.NAME] = FixedVHD()
    return made
