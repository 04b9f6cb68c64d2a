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
"""Glance's disk formats, and what their data may look like."""

# Copied as they are.  What lies inside is the guest's business: a partition
# table, a CD's file system, a LUKS container.
PLAIN = frozenset({'raw', 'iso'})
LOOKS_PLAIN = frozenset({'raw', 'iso', 'gpt', 'luks'})

# Glance's name to the name of qemu's block driver.
_DRIVERS = {
    'qcow2': 'qcow2',
    'vmdk': 'vmdk',
    'vdi': 'vdi',
    'vhd': 'vpc',
    'vhdx': 'vhdx',
    'qed': 'qed',
    'ploop': 'parallels',
}

# An Amazon machine image is raw or qcow2, as in Cinder.
_AMI = 'ami'

KNOWN = PLAIN | _DRIVERS.keys() | {_AMI}


# What tables and headers add to the data, as a part of it and at least.
_TABLES_PART = 16
_TABLES = 64 * 1024 * 1024


def with_tables(data: int) -> int:
    """Bytes that a file of any format takes at most for a disk's data."""
    return data + max(data // _TABLES_PART, _TABLES)


def settle(declared: str, looks: frozenset[str]) -> str | None:
    """The format to treat the data as, or None when it is not as declared.

    :param declared: Glance's disk format
    :param looks: every format that the data matches; empty for none
    """
    if declared in PLAIN or declared == _AMI:
        if looks <= LOOKS_PLAIN:
            return 'raw'
        if declared == _AMI and looks == {'qcow2'}:
            return 'qcow2'
        return None
    if declared == 'vhd' and 'vhd-fixed' in looks:
        # Its data begins as the disk inside does.
        return 'vhd' if looks - {'vhd-fixed'} <= LOOKS_PLAIN else None
    return declared if looks == {declared} else None


def hopeless(declared: str, looks: frozenset[str]) -> bool:
    """Whether data that looks so far like this can only be refused.

    Nothing that is found later makes a foreign look go away.
    """
    foreign = looks - LOOKS_PLAIN - {declared, 'vhd-fixed'}
    return bool(foreign - ({'qcow2'} if declared == _AMI else set()))


def qemu_driver(disk_format: str) -> str:
    """The name of qemu's block driver for a Glance disk format."""
    return _DRIVERS.get(disk_format, 'raw')
