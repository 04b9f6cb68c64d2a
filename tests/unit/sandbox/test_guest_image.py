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

"""The parts of the disk image that are written byte by byte."""

import struct

from sandbox import guest_image


def test_boot_sector():
    sector = guest_image.boot_sector(b'code', 2**20, 63 * 2**20)
    assert len(sector) == 512
    assert sector.startswith(b'code')
    assert sector.endswith(b'\x55\xaa')
    assert sector[446] == 0x80
    assert struct.unpack('<II', sector[454:462]) == (2048, 63 * 2048)


def test_archive():
    data = guest_image.archive(iter([
        ('init', b'#!/bin/sh\n'), ('a/b/c', b'12345'), ('a/d', b'')]))
    assert names(data) == ['init', 'a', 'a/b', 'a/b/c', 'a/d', 'TRAILER!!!']
    assert len(data) % 4 == 0


def names(data):
    """Walk through an archive as the kernel does."""
    found, position = [], 0
    while position < len(data):
        assert data[position:position + 6] == b'070701'
        fields = [int(data[position + 6 + 8 * n:position + 14 + 8 * n], 16)
                  for n in range(13)]
        name = data[position + 110:position + 109 + fields[11]].decode()
        found.append(name)
        position += -(-(110 + fields[11]) // 4) * 4
        position += -(-fields[6] // 4) * 4
    return found
