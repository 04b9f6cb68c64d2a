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

"""Disks with contents that no other test's disk has."""

import pathlib
import random
import subprocess

MIB = 2**20


def raw(directory: pathlib.Path, name: str = 'disk') -> pathlib.Path:
    """A raw disk of 24 MiB: data, a hole, data."""
    path = directory / (name + '.raw')
    with path.open('wb') as disk:
        disk.write(random.randbytes(5 * MIB))
        disk.seek(20 * MIB)
        disk.write(random.randbytes(4 * MIB))
    return path


def qcow2(disk: pathlib.Path) -> pathlib.Path:
    """The same disk as qcow2."""
    path = disk.with_suffix('.qcow2')
    subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2',
                    disk, path], check=True, capture_output=True)
    return path
