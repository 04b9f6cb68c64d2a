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
"""As root, the command leaves nothing that cinder-volume cannot use."""

import os
import pathlib
import pwd
import shutil
import stat
import subprocess
import sys

import pytest

from tests.functional.importer.conftest import qemu_img

NOBODY = pwd.getpwnam('nobody').pw_uid


@pytest.fixture
def directory(manage, cluster, tmp_path: pathlib.Path,
              public_place: pathlib.Path) -> pathlib.Path:
    """What cinder-volume as "nobody" would have: its files and directories."""
    for name in ('lock', 'conversion'):
        (public_place / name).mkdir()
        os.chown(public_place / name, NOBODY, -1)
    keyring = public_place / 'keyring'
    shutil.copy(cluster.keyring('cinder'), keyring)
    text = pathlib.Path(cluster.conf('cinder')).read_text()
    conf = public_place / 'ceph.conf'
    conf.write_text('\n'.join(
        f'keyring = {keyring}' if line.startswith('keyring') else line
        for line in text.splitlines()) + '\n')
    text = manage.conf.read_text().replace(
        str(cluster.conf('cinder')), str(conf)).replace(
            str(tmp_path), str(public_place))
    manage.conf = public_place / 'cinder.conf'
    manage.conf.write_text(
        f'{text}[oslo_concurrency]\nlock_path = {public_place}/lock\n')
    for path in (keyring, conf, manage.conf):
        path.chmod(0o644)
    return public_place


def owners(directory: pathlib.Path) -> dict[str, int]:
    return {str(path.relative_to(directory)): path.stat().st_uid
            for name in ('lock', 'conversion')
            for path in (directory / name).rglob('*')}


def prefetch_as_nobody(manage, image: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ['setpriv', '--reuid', 'nobody', '--regid', 'nogroup',
         '--clear-groups', sys.executable, '-m', 'rbd_imgdriver.cmd.manage',
         'cache', 'prefetch', image, '--max-size', '1',
         '--config-file', str(manage.conf)],
        capture_output=True, text=True, timeout=120)


@pytest.fixture
def images(glance, disk, tmp_path) -> list[str]:
    """Two images that need a temporary file."""
    found = []
    for number in range(2):
        path = tmp_path / f'{number}.qcow2'
        with disk.open('r+b') as file:
            file.write(b'%d' % number)
        qemu_img('convert', '-f', 'raw', '-O', 'qcow2', disk, path)
        found.append(glance.add(path.read_bytes(), disk_format='qcow2'))
    return found


def test_an_import_by_root_is_no_obstacle(manage, directory, images):
    done = manage.run('cache', 'prefetch', images[0], '--max-size', '1')

    assert done.returncode == 0, done.stderr
    assert set(owners(directory).values()) == {NOBODY}
    again = prefetch_as_nobody(manage, images[1])
    assert again.returncode == 0, again.stderr


def test_the_doctor_changes_nothing(manage, directory, glance):
    shutil.rmtree(directory / 'conversion')
    before = [(path, path.stat().st_uid, path.stat().st_mtime_ns)
              for path in sorted(directory.rglob('*'))]

    found = {one['code']: one for one in manage.json(
        'doctor', '--timeout', '100', code=7)}

    assert 'does not exist' in found['conversion-dir-unusable']['detail']
    assert before == [(path, path.stat().st_uid, path.stat().st_mtime_ns)
                      for path in sorted(directory.rglob('*'))]


def test_the_doctor_looks_with_the_eyes_of_that_user(manage, directory,
                                                     glance):
    for name in ('conversion', 'lock'):
        (directory / name).chmod(stat.S_IRUSR | stat.S_IXUSR)

    found = {one['code']: one for one in manage.json(
        'doctor', '--timeout', '100', code=7)}

    for code in ('conversion-dir-unusable', 'lock-path-unusable'):
        assert f'user {NOBODY} cannot write' in found[code]['detail']


def test_a_lock_that_root_has_left_is_reported(manage, directory, glance):
    lock = directory / 'lock/rbd-imgdriver-0123456789ab.room'
    lock.touch(0o600)

    found = {one['code']: one for one in manage.json(
        'doctor', '--timeout', '100', code=7)}

    assert str(lock) in found['lock-path-unusable']['detail']


def test_directories_of_several_users_are_refused(manage, directory):
    os.chown(directory / 'lock', pwd.getpwnam('daemon').pw_uid, -1)

    done = manage.run('cache', 'list')

    assert done.returncode == 3
    assert 'belongs to daemon' in done.stderr
    assert 'belongs to nobody' in done.stderr
