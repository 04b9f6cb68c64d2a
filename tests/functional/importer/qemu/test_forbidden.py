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
"""A host where no sandbox can be made: what qemu-img would read is refused.

The kernel is real and says no: the import runs in a user namespace in which
nobody may make another one, as on a host whose limit is 0.
"""

from collections.abc import Iterator
import contextlib
import json
import os
import pathlib
import subprocess
import sys

import pytest

from sandbox import polling
from tests.functional.importer.conftest import MIB
from tests.functional.importer.conftest import qemu_img
from tests.functional.importer.conftest import write_disk

CHECKOUT = pathlib.Path(__file__).resolve().parents[4]
EVERYBODY = f'0 0 {2**32 - 1}\n'

BEGIN = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'

SCRIPT = '''
import json, pathlib, sys
from rbd_imgdriver import errors
from rbd_imgdriver.cmd.checks import hosts
from rbd_imgdriver.importer import importer, options, target
from tests.functional import conftest as functional
from tests.functional.importer import conftest

conf, place = sys.argv[1], pathlib.Path(sys.argv[2])


class Cluster:
    def conf(self, user):
        return conf


pool = functional.open_pool(Cluster(), 'volumes')
made = importer.Importer(options.Options(
    str(place / 'conversion'), lock_path=str(place), retries=0))
found = {'doctor': [one.code for one in hosts.converter('daemon', 2**32)]}
for kind in ('raw', 'qcow2'):
    path = place / kind
    try:
        made.import_image(conftest.image_of(path, kind),
                          conftest.FileData(path), target.Target(
                              pool, f'volume-{kind}', 22, 2**25, 2**25))
        found[kind] = 'imported'
    except errors.ImageError as error:
        found[kind] = str(error)
print(json.dumps(found))
'''


@contextlib.contextmanager
def namespace() -> Iterator[int]:
    """The id of a process in a user namespace with the ids of the host."""
    with subprocess.Popen(['unshare', '--user', 'sleep', 'infinity']) as one:
        try:
            ours = os.readlink('/proc/self/ns/user')
            assert polling.wait_until(
                lambda: os.readlink(f'/proc/{one.pid}/ns/user') != ours, 60)
            for name in ('uid_map', 'gid_map'):
                pathlib.Path(f'/proc/{one.pid}/{name}').write_text(EVERYBODY)
            yield one.pid
        finally:
            one.kill()


@pytest.fixture
def place(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / 'conversion').mkdir()
    raw = write_disk(tmp_path / 'raw', MIB)
    qemu_img('convert', '-f', 'raw', '-O', 'qcow2', raw, tmp_path / 'qcow2')
    return tmp_path


def test_qcow2_is_refused_and_raw_is_not(cluster, pool, read, place):
    with namespace() as pid:
        done = subprocess.run(
            ['nsenter', '--user', f'--target={pid}', 'sh', '-c', BEGIN, 'sh',
             sys.executable, '-W', 'ignore', '-c', SCRIPT,
             cluster.conf('cinder'), place], cwd=CHECKOUT,
            capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    assert found['raw'] == 'imported'
    assert 'cannot be confined on this host' in found['qcow2']
    assert 'doctor' in found['qcow2']
    assert found['doctor'] == ['converter-unconfined']
    assert read('volume-raw')[:MIB] == (place / 'raw').read_bytes()
    assert sorted(pool.directory.ids()) == ['volume-raw']
    assert list((place / 'conversion').iterdir()) == []
