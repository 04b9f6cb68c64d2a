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

"""What data is judged to be, by its first bytes and its last."""

import os
import struct

import hypothesis
from hypothesis import strategies as st
import pytest

from rbd_imgdriver import errors
from rbd_imgdriver.importer.check import inspection

MIB = 2**20
GIB = 2**30
TYPES = ('streamOptimized', 'monolithicSparse')


def qcow2(size: int = GIB, **fields: int) -> bytes:
    """A header of version 3 and an empty rest."""
    header = struct.pack(
        '>4sIQIIQIIQQIIQQQQII', b'QFI\xfb', 3, fields.get('backing', 0), 0, 16,
        size, fields.get('encrypted', 0), 1, 65536, 131072, 1, 0, 0,
        fields.get('features', 0), 0, 0, 4, 104)
    return header.ljust(MIB, b'\0')


def qed(size: int = GIB, features: int = 0) -> bytes:
    return struct.pack('<4sIIIQQQQQII', b'QED\0', 65536, 4, 1, features, 0, 0,
                       65536, size, 0, 0).ljust(MIB, b'\0')


def ploop(sectors: int = GIB // 512, version: int = 2,
          magic: bytes = b'WithouFreSpacExt') -> bytes:
    return struct.pack('<16sIIIIIQIIIQ', magic, version, 16, 4, 63,
                       -(-(sectors % 2**32) // 63), sectors, 0, 0, 0, 0,
                       ).ljust(MIB, b'\0')


def footer(size: int = GIB, kind: int = 2) -> bytes:
    return struct.pack('>8sIIQI4sI4sQQII', b'conectix', 2, 0x10000, 0, 0,
                       b'qemu', 0, b'Wi2k', size, size, 0, kind
                       ).ljust(512, b'\0')


def judge(declared: str, data: bytes, step: int = 100_000) -> str:
    look = inspection.Inspection('id', declared, TYPES)
    for at in range(0, len(data), step):
        look.feed(data[at:at + step])
    return look.finish()


def test_as_declared():
    assert judge('qcow2', qcow2()) == 'qcow2'
    assert judge('qed', qed()) == 'qed'
    assert judge('ploop', ploop()) == 'ploop'
    assert judge('vhd', bytes(MIB) + footer()) == 'vhd'
    assert judge('raw', os.urandom(MIB)) == 'raw'
    assert judge('raw', b'') == 'raw'
    assert judge('ami', qcow2()) == 'qcow2'


@pytest.mark.parametrize(('declared', 'data', 'reason'), [
    ('qcow2', qcow2(backing=512), 'backing_file'),
    ('qcow2', qcow2(features=4), 'data_file'),
    ('qcow2', qcow2(features=1 << 40), 'unknown_features'),
    ('qed', qed(features=1), 'backing file'),
    ('qed', qed(features=8), 'unknown features'),
    ('ploop', ploop(version=3), 'version'),
    ('vhd', footer(kind=4) + bytes(MIB), 'differencing disk'),
    ('vhd', bytes(MIB) + footer(kind=4), 'looks like raw'),
    ('vmdk', b'# Disk DescriptorFile\ncreateType="monolithicFlat"\n'
     b'RW 1 FLAT "/etc/passwd" 0\n' * 40, 'subformat'),
    ('raw', qcow2(), 'looks like qcow2'),
    ('iso', qcow2(), 'looks like qcow2'),
    ('qcow2', bytes(MIB), 'looks like raw'),
    ('qcow2', qed(), 'declared as qcow2'),
    ('qcow2', b'', 'looks like raw'),
    ('vhd', qcow2() + footer(), 'looks like qcow2'),
])
def test_refused(declared, data, reason):
    with pytest.raises(errors.ImageUnsafe, match=reason):
        judge(declared, data)


def test_a_polyglot_is_refused():
    data = bytearray(qcow2())
    data[32768:32774] = b'\x01CD001'

    for declared in ('qcow2', 'iso', 'raw'):
        with pytest.raises(errors.ImageUnsafe, match='qcow2'):
            judge(declared, bytes(data))


@pytest.mark.parametrize('data', [bytes(MIB), qed(), qcow2(backing=9)])
def test_refused_before_the_rest_arrives(data):
    look = inspection.Inspection('id', 'qcow2', TYPES)

    with pytest.raises(errors.ImageUnsafe):
        look.feed(data[:65536])


@pytest.mark.parametrize(('declared', 'data', 'size'), [
    ('qcow2', qcow2(7 * GIB), 7 * GIB),
    ('qed', qed(5 * GIB), 5 * GIB),
    ('ploop', ploop(3), 1536),
    ('ploop', ploop(2**33 + 3, magic=b'WithoutFreeSpace'), 1536),
    ('raw', bytes(MIB), 0),
])
def test_size_of_the_disk(declared, data, size):
    look = inspection.Inspection('id', declared, TYPES)
    assert look.virtual_size == 0

    look.feed(data)

    assert look.virtual_size == size


def test_it_is_settled_when_more_data_changes_nothing():
    look = inspection.Inspection('id', 'raw', TYPES)
    look.feed(bytes(32768))
    assert not look.settled  # a CD's file system begins there

    look.feed(bytes(MIB))

    assert look.settled


def test_raw_text_is_raw():
    """It could be the descriptor of a VMDK, until it says what it is."""
    assert judge('raw', b'nothing but text, line by line\n' * 50_000) == 'raw'
    assert judge('raw', b'text\n' * 200 + os.urandom(MIB)) == 'raw'


@hypothesis.given(st.binary(max_size=4096), st.integers(1, 5000),
                  st.sampled_from(['raw', 'iso', 'ami', 'qcow2', 'vhd', 'vhdx',
                                   'vmdk', 'vdi', 'qed', 'ploop']))
def test_any_bytes_get_an_answer(data, step, declared):
    try:
        found = judge(declared, data, step)
    except errors.ImageUnsafe:
        return
    assert found in ('raw', declared)


@hypothesis.given(st.integers(0, 600), st.binary(min_size=1, max_size=64),
                  st.sampled_from([qcow2(), qed(), ploop()]))
def test_any_change_of_a_header_gets_an_answer(at, change, original):
    data = bytearray(original)
    data[at:at + len(change)] = change
    for declared in ('qcow2', 'qed', 'ploop', 'raw'):
        try:
            judge(declared, bytes(data))
        except errors.ImageUnsafe:
            continue
