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
"""What passes every check finds nothing of the host all the same."""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import subprocess
import sys

import pytest

from rbd_imgdriver.importer.qemu import arguments
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import convert
from rbd_imgdriver.importer.qemu import memfd
from rbd_imgdriver.importer.qemu import sandbox
from sandbox import polling
from tests.functional.importer import canary
from tests.functional.importer.conftest import descendants
from tests.functional.importer import differences

CHECKOUT = pathlib.Path(__file__).resolve().parents[4]
LIMITS = confined.Limits('nobody', 2**32, 60, 60)
# Those that need no original.
TEXTS = [one for one in differences.corpus()
         if one.declared == 'vmdk' and 'footer' not in one.name]


@pytest.fixture
def secret(tmp_path: pathlib.Path) -> Iterator[canary.Canary]:
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.getuid() and len(path.parts) > 2:
            path.chmod(0o755)
    made = canary.Canary(tmp_path / 'secret')
    yield made
    made.close()


@contextlib.contextmanager
def image(one, secret: canary.Canary) -> Iterator[arguments.Source]:
    """An image as the importer gives it to qemu-img, had it been accepted."""
    with memfd.file('image', one.make({}, secret.path)) as descriptor:
        confined.let_read(descriptor, 'nobody')
        yield arguments.Source(one.declared, arguments.local(descriptor))


def by_name(name: str):
    return next(one for one in TEXTS if one.name == f'difference-{name}')


def test_without_a_sandbox_qemu_would_follow(secret):
    with image(by_name('tabs-flat'), secret) as source:
        confined.run(['qemu-img', 'info', source.name], LIMITS,
                     source.node.inherited)

    assert secret.opened()


@pytest.mark.parametrize('one', TEXTS, ids=str)
def test_nothing_is_opened(secret, one):
    with image(one, secret) as source, contextlib.suppress(confined.Failed):
        convert.info(source, LIMITS, lambda: None)

    assert not secret.opened()


def test_files_that_are_there_and_others_look_the_same(secret):
    """Whether a file of the host exists is a secret as well."""
    said = []
    for place in (secret.path, secret.path.with_name('no-file')):
        text = by_name('tabs-flat').make({}, place)
        with memfd.file('image', text) as descriptor:
            confined.let_read(descriptor, 'nobody')
            source = arguments.Source('vmdk', arguments.local(descriptor))
            with pytest.raises(confined.Failed) as caught:
                convert.info(source, LIMITS, lambda: None)
        said.append(str(caught.value).replace(str(place), ''))

    assert said[0] == said[1]
    assert 'No such file' in said[0]


def run_inside(*words: str) -> 'subprocess.CompletedProcess[str]':
    """A program of our own in the place where qemu-img is."""
    with memfd.file('facts') as facts:
        return subprocess.run(
            [*sandbox.wrapper(words[0], facts), *words], capture_output=True,
            text=True, pass_fds=[facts], timeout=60)


def test_there_is_nothing_but_the_program():
    def lines(*words: str) -> list[str]:
        done = run_inside(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert set(lines('ls', '/')) <= {'usr', 'lib', 'lib64', 'etc', 'newroot'}
    assert lines('ls', '/etc') == ['ld.so.cache']
    assert lines('ls', '/usr/bin') == ['ls']


@pytest.mark.parametrize('limit', [
    'echo 0 > /proc/sys/user/max_user_namespaces',
    'echo 0 > /proc/sys/user/max_net_namespaces'])
def test_a_kernel_that_forbids_it_is_recognised(limit):
    with memfd.file('facts') as facts:
        done = subprocess.run(
            ['unshare', '--user', '--map-root-user', 'sh', '-c',
             f'{limit}; exec "$@"', 'sh',
             *sandbox.wrapper('qemu-img', facts), 'qemu-img', '--version'],
            capture_output=True, text=True, pass_fds=[facts], timeout=60)

    assert done.returncode
    assert 'cannot be confined' in confined.reason('qemu-img', 1, done.stderr)


def test_a_host_without_bubblewrap_is_recognised():
    done = subprocess.run(['env', 'PATH=/nowhere', 'bwrap'],
                          capture_output=True, text=True, timeout=60)

    assert done.returncode
    assert 'cannot be confined' in confined.reason('qemu-img', 127,
                                                   done.stderr)


def test_a_service_without_privileges_has_it_too():
    """As cinder: nobody here is somebody who may do nothing."""
    with memfd.file('facts') as facts:
        words = confined.command(['qemu-img', '--version'], LIMITS, False,
                                 sandbox.wrapper('qemu-img', facts))
        done = subprocess.run(
            ['setpriv', '--reuid', 'nobody', '--regid', 'nogroup',
             '--clear-groups', *words], capture_output=True, text=True,
            pass_fds=[facts], timeout=60, cwd='/')

    assert done.stdout.startswith('qemu-img version'), done.stderr


def test_a_program_that_stalls_leaves_no_process_behind():
    """Not even one that has ended and that nobody has waited for."""
    seen: list[int] = []

    def look(pid: int, _errors: int) -> bool:
        seen.append(pid)
        return False

    with pytest.raises(confined.Failed, match='no progress'):
        confined.run(['sleep', '600'],
                     confined.Limits('nobody', 2**32, 60, 1), (), look,
                     sandboxed=True)

    assert not pathlib.Path(f'/proc/{seen[-1]}').exists()


SERVICE = """
from rbd_imgdriver.importer.qemu import confined

confined.run(['sleep', '600'], confined.Limits('nobody', 2**32, 60, 600),
             sandboxed=True)
"""


def test_nothing_outlives_a_service_that_is_killed():
    """The sandbox and what is in it go with the service."""
    with subprocess.Popen([sys.executable, '-W', 'ignore', '-c', SERVICE],
                          cwd=CHECKOUT) as service:
        try:
            assert polling.wait_until(
                lambda: len(descendants(service.pid, 'sleep')) == 1, 120)
            left = descendants(service.pid, 'bwrap', 'sleep')
        finally:
            service.kill()

    assert len(left) == 2
    assert polling.wait_until(
        lambda: not any(pathlib.Path(f'/proc/{pid}').exists()
                        for pid in left), 60)
