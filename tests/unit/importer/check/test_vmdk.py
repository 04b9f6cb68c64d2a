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
"""Descriptors of VMDK images, as tools write them and as attackers do."""

from oslo_utils.imageutils import format_inspector
import pytest

from rbd_imgdriver.importer.check import vmdk

VMWARE = '''# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=7f4dd0d2
parentCID=ffffffff
isNativeSnapshot="no"
createType="streamOptimized"

# Extent description
RW 83886080 SPARSE "appliance-disk1.vmdk"

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "5221"
ddb.longContentID = "d0ea44a5ea1ab4ccb8be2c9c7f4dd0d2"
ddb.uuid = "60 00 C2 9a 86 a7 d4 6e-9f 0c 11 f4 13 11 9d c5"
ddb.virtualHWVersion = "14"
'''
VIRTUALBOX = '''# Disk DescriptorFile
version=1
CID=a1b2c3d4
parentCID=ffffffff
createType="streamOptimized"

# Extent description
RDONLY 16777216 SPARSE "box-disk001.vmdk"

# The disk Data Base
#DDB

ddb.virtualHWVersion = "4"
ddb.adapterType="ide"
ddb.uuid.image="b2a2bf3b-8a1d-4c8f-9b1a-7e3f1a0d2c11"
ddb.uuid.parent="00000000-0000-0000-0000-000000000000"
ddb.comment=""
'''


def sectors(text: str) -> bytes:
    return text.encode().ljust(20 * 512, b'\0')


@pytest.mark.parametrize('text', [
    VMWARE, VIRTUALBOX, VMWARE.replace('\n', '\r\n')])
def test_what_tools_write(text):
    assert vmdk.create_type(sectors(text)) == 'streamOptimized'


@pytest.mark.parametrize(('old', 'new', 'reason'), [
    ('createType', 'CREATETYPE', 'unknown line'),
    ('createType', 'createtype', 'unknown line'),
    ('streamOptimized', 'monolithicFlat', 'type'),
    ('streamOptimized', 'STREAMOPTIMIZED', 'type'),
    ('version=1', 'createType="streamOptimized"', 'two createType'),
    ('ffffffff', '7f4dd0d2', 'differencing'),
    ('SPARSE', 'FLAT', 'unknown line'),
    ('RW 83', 'RW\t83', 'unknown line'),
    ('appliance', '/etc/appliance', 'unknown line'),
    ('appliance', 'nbd:appliance', 'unknown line'),
    ('vmdk"\n', 'vmdk"\nRW 1 SPARSE "other.vmdk"\n', 'exactly one extent'),
    ('# Extent', '# \rRW 1 FLAT "/etc/passwd" 0\n# Extent', 'broken lines'),
    ('#DDB', '\0', 'follows'),
])
def test_one_word_of_it_changed(old, new, reason):
    text = VMWARE.replace(old, new, 1)
    assert text != VMWARE

    with pytest.raises(format_inspector.SafetyViolation, match=reason):
        vmdk.create_type(sectors(text))


@pytest.mark.parametrize('zeros', range(8))
def test_a_content_id_that_became_shorter(zeros):
    """qemu leaves what the text was longer before."""
    descriptor = bytearray(sectors(VMWARE))
    after = VMWARE.replace('7f4dd0d2'[:zeros], '', 1).encode() + b'\0'
    descriptor[:len(after)] = after

    assert vmdk.create_type(bytes(descriptor)) == 'streamOptimized'


def test_text_that_fills_its_sectors():
    """qemu would read on behind them."""
    full = VMWARE + '#' * (20 * 512 - len(VMWARE))

    with pytest.raises(format_inspector.SafetyViolation, match='follows'):
        vmdk.create_type(full.encode())
