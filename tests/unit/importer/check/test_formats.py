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

"""What data may look like, by what it is declared."""

import pytest

from rbd_imgdriver.importer.check import formats


@pytest.mark.parametrize(('declared', 'looks', 'settled'), [
    ('raw', set(), 'raw'),
    ('raw', {'gpt'}, 'raw'),
    ('raw', {'luks'}, 'raw'),
    ('raw', {'gpt', 'iso'}, 'raw'),
    ('raw', {'qcow2'}, None),
    ('raw', {'iso', 'qcow2'}, None),
    ('iso', {'iso'}, 'raw'),
    ('iso', set(), 'raw'),
    ('iso', {'iso', 'vmdk'}, None),
    ('ami', set(), 'raw'),
    ('ami', {'qcow2'}, 'qcow2'),
    ('ami', {'vdi'}, None),
    ('ami', {'gpt', 'qcow2'}, None),
    ('qcow2', {'qcow2'}, 'qcow2'),
    ('qcow2', set(), None),
    ('qcow2', {'gpt', 'qcow2'}, None),
    ('qcow2', {'vdi', 'qcow2'}, None),
    ('vhd', {'vhd'}, 'vhd'),
    ('vhd', {'vhd-fixed'}, 'vhd'),
    ('vhd', {'vhd-fixed', 'gpt'}, 'vhd'),
    ('vhd', {'vhd-fixed', 'qcow2'}, None),
    ('vhd', {'vhd-fixed', 'vhd'}, None),
    ('vhd', set(), None),
    ('ploop', {'ploop'}, 'ploop'),
])
def test_settle(declared, looks, settled):
    assert formats.settle(declared, frozenset(looks)) == settled


@pytest.mark.parametrize('declared', sorted(formats.KNOWN))
@pytest.mark.parametrize('look', [
    'qcow2', 'vhd', 'vhd-fixed', 'vhdx', 'vmdk', 'vdi', 'qed', 'ploop',
    'iso', 'gpt', 'luks'])
def test_what_is_hopeless_is_never_settled(declared, look):
    """The early refusal agrees with the judgement at the end."""
    for more in (set(), {'gpt'}, {'qcow2'}, {'vhd-fixed'}):
        looks = frozenset({look} | more)
        if formats.hopeless(declared, looks):
            assert formats.settle(declared, looks) is None


@pytest.mark.parametrize(('disk_format', 'driver'), [
    ('vhd', 'vpc'), ('ploop', 'parallels'), ('qcow2', 'qcow2'),
    ('iso', 'raw'), ('raw', 'raw')])
def test_drivers(disk_format, driver):
    assert formats.qemu_driver(disk_format) == driver
