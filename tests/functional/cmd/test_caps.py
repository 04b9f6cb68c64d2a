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
"""``caps`` on a real cluster."""

import json
import shlex
import subprocess
import sys

import pytest

PRESENT = {'mon': 'allow r', 'mds': 'allow r',
           'osd': 'allow rwx pool=images, profile rbd pool=volumes2'}


@pytest.fixture
def shared(cluster, manage):
    """A user that other services need as well, and the backend has."""
    cluster.create_user('shared', PRESENT)
    manage.conf.write_text(manage.conf.read_text().replace(
        'rbd_user = cinder', 'rbd_user = shared'))
    return 'client.shared'


def test_what_the_cluster_says_is_merged(cluster, manage, shared, doctor):
    before = cluster.command('auth get', entity=shared)
    manage.conf.write_text(manage.conf.read_text().replace(
        str(cluster.conf('cinder')), str(cluster.conf('admin'))))

    printed = manage.run('caps', '--admin')

    assert cluster.command('auth get', entity=shared) == before
    assert printed.returncode == 0, printed.stderr
    command = printed.stdout[printed.stdout.index('ceph auth caps'):]
    words = shlex.split(command.replace('\\\n', ''))
    assert words[:4] == ['ceph', 'auth', 'caps', shared]
    assert dict(zip(words[4::2], words[5::2], strict=True)) == {
        'mon': 'allow r, profile rbd', 'mds': 'allow r',
        'osd': PRESENT['osd'] + ', profile rbd pool=volumes, '
               'profile rbd-read-only pool=images',
        'mgr': 'profile rbd pool=volumes, profile rbd-read-only pool=images'}
    # The cluster takes it, and then nothing is missing.
    cluster.command('auth caps', entity=shared, caps=words[4:])
    again = manage.run('caps', '--admin')
    assert 'Nothing is missing' in again.stdout
    manage.conf.write_text(manage.conf.read_text().replace(
        str(cluster.conf('admin')), str(cluster.conf('shared'))))
    assert 'probe' in doctor(code=6)


def test_what_ceph_has_printed_is_read(cluster, manage, shared):
    printed = cluster.command('auth get', entity=shared)

    done = subprocess.run(
        [sys.executable, '-m', 'rbd_imgdriver.cmd.manage', 'caps', '-',
         '--images', 'pictures', '--data', 'bulk', '--format', 'json',
         '--config-file', str(manage.conf)],
        input=json.dumps(printed), capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    by = {one['daemon']: one for one in json.loads(done.stdout)}
    assert by['osd']['present'] == PRESENT['osd']
    assert by['osd']['missing'] == (
        'profile rbd pool=bulk, profile rbd pool=volumes, '
        'profile rbd-read-only pool=pictures')
    assert by['mds']['missing'] == ''


@pytest.mark.parametrize(('text', 'code', 'said'), [
    ('[client.other]\n\tcaps mon = "allow r"\n', 4, 'client.cinder'),
    ('Error EACCES: access denied\n', 2, 'ceph auth get'),
    (None, 2, 'No such file')])
def test_what_is_no_answer_is_refused(manage, tmp_path, text, code, said):
    path = tmp_path / 'printed'
    if text is not None:
        path.write_text(text)

    done = manage.run('caps', str(path))

    assert done.returncode == code
    assert said in done.stderr
    assert 'Traceback' not in done.stderr
