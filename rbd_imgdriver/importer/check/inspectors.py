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
"""An inspector for each disk format that data could have."""

from collections.abc import Callable

from oslo_utils.imageutils import format_inspector

from rbd_imgdriver.importer.check import ploop
from rbd_imgdriver.importer.check import qcow2
from rbd_imgdriver.importer.check import qed
from rbd_imgdriver.importer.check import vdi
from rbd_imgdriver.importer.check import vhd
from rbd_imgdriver.importer.check import vhdx
from rbd_imgdriver.importer.check import vmdk

# Names are Glance's disk formats.  Raw is what nothing else matches.
_KINDS: dict[str, Callable[[], format_inspector.FileInspector]] = {
    'qcow2': qcow2.Qcow2,
    'vhd': vhd.DynamicVHD,
    'vhdx': vhdx.VHDX,
    'vdi': vdi.VDI,
    'qed': qed.QED,
    'ploop': ploop.Parallels,
    'iso': format_inspector.ISOInspector,
    'gpt': format_inspector.GPTInspector,
    'luks': format_inspector.LUKSInspector,
}


def for_declared(
        declared: str, vmdk_types: tuple[str, ...],
) -> dict[str, format_inspector.FileInspector]:
    """A new inspector for each format that the data could have.

    :param declared: Glance's disk format
    :param vmdk_types: VMDK subformats that the operator allows
    """
    made = {name: kind() for name, kind in _KINDS.items()}
    made['vmdk'] = vmdk.VMDK(vmdk_types)
    if declared == 'vhd':
        # It sees all of the data: not for those that cannot need it.
        made[vhd.FixedVHD.NAME] = vhd.FixedVHD()
    return made
