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
"""Room for temporary files, on a small file system of its own."""

from collections.abc import Iterator
import os
import pathlib
import subprocess
import sys
import threading
import time

import pytest

from rbd_imgdriver import errors
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer import spool
from tests.functional.importer.conftest import MIB

SIZE = 40 * MIB
USABLE = 38 * MIB  # a twentieth is left to others
SOON = 0.01


@pytest.fixture
def small(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """A directory with 40 MiB of room."""
    path = tmp_path / 'small'
    path.mkdir()
    subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={SIZE}', 'tmpfs',
                    path], check=True)
    try:
        yield path
    finally:
        subprocess.run(['umount', path], check=True)


def pause(_seconds: float) -> None:
    """Shorter than in the service, and long enough to let others run."""
    time.sleep(0.01)


@pytest.fixture
def spooler(small: pathlib.Path, tmp_path: pathlib.Path) -> spool.Spooler:
    return spool.Spooler(str(small), str(tmp_path), pause,
                         step=8 * MIB)


def free(path: pathlib.Path) -> int:
    stat = os.statvfs(path)
    return stat.f_bavail * stat.f_frsize


def nobody_waits() -> None:
    pytest.fail('there is room')


def test_room_is_taken_before_the_first_byte(small, spooler):
    with spooler.file('id', 30 * MIB, nobody_waits):
        assert free(small) == SIZE - 30 * MIB
        assert list(small.iterdir()) == []

    assert free(small) == SIZE


@pytest.mark.parametrize('size', [USABLE + 1, 2**60])
def test_what_can_never_fit_is_refused_at_once(small, spooler, size):
    with pytest.raises(errors.NoTemporarySpace,
                       match=f'needs {size} bytes.*{SIZE} of {SIZE} free'), \
            spooler.file('id', size, nobody_waits):
        pass


def test_what_others_have_filled_is_not_waited_for(small, spooler):
    """Nobody imports: no room will come free."""
    (small / 'of-others').write_bytes(bytes(20 * MIB))

    with pytest.raises(errors.NoTemporarySpace), \
            spooler.file('id', 30 * MIB, nobody_waits):
        pass


class Import:
    """A thread that wants room, and keeps it until it may go."""

    def __init__(self, spooler: spool.Spooler, size: int) -> None:
        self.waiting = threading.Event()
        self.inside = threading.Event()
        self.leave = threading.Event()
        self._spooler, self._size = spooler, size
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with self._spooler.file('id', self._size, self.waiting.set):
            self.inside.set()
            self.leave.wait(60)

    def go(self) -> None:
        self.leave.set()
        self._thread.join(60)
        assert not self._thread.is_alive()


def test_imports_wait_for_each_other_in_order(small, spooler):
    first = Import(spooler, 30 * MIB)
    assert first.inside.wait(60)
    second = Import(spooler, 20 * MIB)
    assert second.waiting.wait(60)
    third = Import(spooler, 5 * MIB)  # would fit, but it came later
    assert third.waiting.wait(60)
    assert not third.inside.is_set()

    first.go()

    assert second.inside.wait(60)
    assert third.inside.wait(60)
    second.go()
    third.go()
    assert free(small) == SIZE


HOLDER = '''
import sys
from rbd_imgdriver.importer import spool
with spool.Spooler(*sys.argv[1:3]).file('id', int(sys.argv[3]), lambda: None):
    print('inside', flush=True)
    sys.stdin.read()
'''


def test_another_service_of_the_host_is_waited_for(small, spooler, tmp_path):
    with subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-c', HOLDER, small, tmp_path,
             str(30 * MIB)], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == 'inside\n'
        mine = Import(spooler, 20 * MIB)
        assert mine.waiting.wait(60)
        assert not mine.inside.is_set()

        other.kill()  # not even a crash keeps the room

        assert mine.inside.wait(60)
        mine.go()


def test_a_file_of_unknown_length_grows(small, spooler):
    with spooler.file('id', 0, nobody_waits) as file:
        for _ in range(5):
            file.write(b'x' * 4 * MIB)
        with file.shared('nobody') as descriptor:
            assert os.fstat(descriptor).st_size == 20 * MIB
            assert os.pread(descriptor, 1, 20 * MIB - 1) == b'x'


# What a converter that an image has taken over might try.
ATTACKS = {
    'write': 'os.write({0}, b"x")',
    'open': 'os.open("/dev/fd/{0}", os.O_RDWR)',
    'chmod': 'os.fchmod({0}, 0o666)',
    'truncate': 'os.truncate("/dev/fd/{0}", 0)'}


@pytest.mark.parametrize('attack', ATTACKS.values(), ids=ATTACKS)
def test_a_converter_can_read_the_file_and_nothing_else(spooler, attack):
    limits = confined.Limits('nobody', 2 * 1024 * MIB, 60, 60)
    with spooler.file('id', MIB, nobody_waits) as file:
        file.write(b'image')
        with file.shared('nobody') as descriptor:
            def python(code: str) -> str:
                return confined.run(
                    ['/usr/bin/python3', '-c',
                     'import os; ' + code.format(descriptor)],
                    limits, (descriptor,))

            assert python('print(open("/dev/fd/{0}").read())') == 'image\n'
            with pytest.raises(confined.Failed, match='Error'):
                python(attack)

        assert os.pread(file.descriptor, MIB, 0) == b'image'


def test_a_file_that_outgrows_the_room(small, spooler):
    with spooler.file('id', 0, nobody_waits) as file, \
            pytest.raises(errors.NoTemporarySpace, match='no room left'):
        while True:
            file.write(b'x' * 4 * MIB)

    assert free(small) == SIZE


FREEZE = '''
import eventlet
eventlet.monkey_patch()
import sys, threading, time
from rbd_imgdriver.importer import spool
beats = [time.monotonic()]
def heart():
    while True:
        time.sleep(0.1)
        beats.append(time.monotonic())
threading.Thread(target=heart, daemon=True).start()
with spool.Spooler(*sys.argv[1:3]).file('id', 4096, lambda: None):
    beats.append(time.monotonic())
print(max(after - before for before, after in zip(beats, beats[1:])))
'''


@pytest.mark.parametrize('separate', [True, False])
def test_nobody_else_can_stop_the_service(public_place, separate):
    """Whoever may read a directory can lock it, and what is open to them."""
    directory = public_place / 'conversion'
    locks = public_place / 'locks' if separate else directory
    directory.mkdir(mode=0o755)
    arguments = [sys.executable, '-W', 'ignore', '-c', FREEZE, str(directory),
                 str(locks) if separate else '']
    subprocess.run(arguments, check=True)  # makes its files
    held = []
    for path in {directory, locks, *locks.iterdir()}:
        code = ('import fcntl, os, sys, time; fd = os.open(sys.argv[1], '
                'os.O_RDONLY); fcntl.flock(fd, fcntl.LOCK_EX); '
                'print("held", flush=True); sys.stdin.read()')
        one = subprocess.Popen(
            ['setpriv', '--reuid', 'nobody', '--regid', 'nogroup',
             '--clear-groups', '/usr/bin/python3', '-c', code, path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        one.stdout.readline()
        held.append(one)
    try:
        assert any(one.poll() is None for one in held)

        done = subprocess.run(arguments, check=True, text=True, timeout=60,
                              stdout=subprocess.PIPE)
    finally:
        for one in held:
            one.kill()
            one.communicate()

    assert float(done.stdout) < 5


def test_a_lock_of_another_user_is_named(public_place):
    """As root's command would leave it."""
    code = ('''
import sys
from rbd_imgdriver import errors
from rbd_imgdriver.importer import spool
try:
    with spool.Spooler(*sys.argv[1:3]).file('id', 1, lambda: None):
        pass
except errors.HostUnusable as error:
    print(error)
''')
    place = public_place / 'conversion'
    place.mkdir()
    with spool.Spooler(str(place), str(public_place)).file(
            'id', 1, nobody_waits):
        pass
    place.chmod(0o777)

    done = subprocess.run(
        ['setpriv', '--reuid', 'nobody', '--regid', 'nogroup',
         '--clear-groups', sys.executable, '-W', 'ignore', '-c', code,
         place, public_place], check=True, text=True, stdout=subprocess.PIPE)

    assert 'belongs to root' in done.stdout
    assert 'image_conversion_dir' in done.stdout
