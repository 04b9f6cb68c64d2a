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
"""How much memory a hostile image can make qemu-img take."""

import json
import pathlib
import struct
import subprocess
import sys

import pytest

from rbd_imgdriver import errors
from rbd_imgdriver.importer.check import inspection
from rbd_imgdriver.importer.check import rules
from rbd_imgdriver.importer import options
from tests.functional.importer.conftest import MIB
from tests.functional.importer.conftest import qemu_img

CHECKOUT = pathlib.Path(__file__).resolve().parents[4]

# As rbd_imgdriver_concurrent_imports says of an import; qemu's tables in it.
MOST = 256 * MIB

# In a process of its own: the kernel keeps the peak of all its children.
SCRIPT = '''
import json, os, resource, sys
from rbd_imgdriver.importer.qemu import arguments, confined, convert, memfd
limits = confined.Limits('nobody', 4 * 2**30, 120, 240)
image = memfd.for_programs(os.open(sys.argv[1], os.O_RDONLY))
confined.let_read(image, 'nobody')
found = convert.info(arguments.Source('vdi', arguments.local(image)), limits,
                     lambda: None)
print(json.dumps({
    'size': found.virtual_size,
    'peak': resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024}))
'''


def vdi(path: pathlib.Path, table: int) -> pathlib.Path:
    """A disk of which there is nothing but a table, and that not in full.

    :param table: bytes of it
    """
    qemu_img('create', '-q', '-f', 'vdi', path, '1M')
    blocks = table // 4
    data = bytearray(path.read_bytes())
    struct.pack_into('<II', data, 340, 512, 512 + table)
    struct.pack_into('<QIIII', data, 368, blocks * MIB, MIB, 0, blocks, 0)
    path.write_bytes(data)
    return path


def inspected(path: pathlib.Path) -> str:
    look = inspection.Inspection('image', 'vdi',
                                 options.Options('').vmdk_types)
    look.feed(path.read_bytes())
    return look.finish()


def test_the_largest_table_that_is_accepted(tmp_path):
    path = vdi(tmp_path / 'image', rules.LARGEST_TABLE)
    assert inspected(path) == 'vdi'

    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', SCRIPT, path],
                          cwd=CHECKOUT, capture_output=True, text=True,
                          timeout=280)

    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found['size'] == rules.LARGEST_TABLE // 4 * MIB
    # It was read whole, and that was nearly all.
    assert rules.LARGEST_TABLE < found['peak'] < MOST


def test_a_larger_one_is_refused(tmp_path):
    """2 MiB of image took 2 GiB of memory."""
    path = vdi(tmp_path / 'image', 2**31)

    with pytest.raises(errors.ImageUnsafe, match='too large'):
        inspected(path)
