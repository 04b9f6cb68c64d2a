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
"""Inspectors of disk formats: oslo.utils' own, and what they leave out."""

from oslo_utils.imageutils import format_inspector

# Names are Glance's disk formats.  Raw is what nothing else matches.
ALL: dict[str, type[format_inspector.FileInspector]] = {
    'qcow2': format_inspector.QcowInspector,
    'vhd': format_inspector.VHDInspector,
    'vhdx': format_inspector.VHDXInspector,
    'vmdk': format_inspector.VMDKInspector,
    'vdi': format_inspector.VDIInspector,
    'qed': format_inspector.QEDInspector,
    'iso': format_inspector.ISOInspector,
    'gpt': format_inspector.GPTInspector,
    'luks': format_inspector.LUKSInspector,
}
