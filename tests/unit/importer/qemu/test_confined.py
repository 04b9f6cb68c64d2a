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
"""A program never outlives the create that it works for."""

import os
import subprocess
import sys

import pytest

from rbd_imgdriver.importer.qemu import confined

# The program's fork waits before it becomes the program, so that the kill
# comes while it is being started.
ABANDONED = '''
import eventlet
eventlet.monkey_patch()
import os
import signal
from rbd_imgdriver.importer.qemu import confined


def wait():
    signal.alarm(10)  # should nobody kill it
    signal.pause()


starting = eventlet.spawn(confined.Process, ['true'], preexec_fn=wait)
eventlet.sleep(0)
starting.kill()
try:
    starting.wait()
except eventlet.greenlet.GreenletExit:
    pass
try:
    print('left:', os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print('gone')
'''


def test_a_start_that_is_abandoned_under_eventlet():
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', ABANDONED],
                          capture_output=True, text=True, timeout=60)

    assert done.stdout == 'gone\n', done.stderr


def test_a_program_that_is_not_installed():
    with pytest.raises(FileNotFoundError, match='no-such-program'):
        confined.Process(['no-such-program'])


def test_a_question_for_progress_that_comes_before_the_handler():
    """The signal's default action would kill the program."""
    limits = confined.Limits('nobody', 2**32, 60, 60)

    said = confined.run(['sh', '-c', 'kill -USR1 $$; echo alive'], limits)

    assert said == 'alive\n'


def test_a_long_answer_is_not_cut():
    limits = confined.Limits('nobody', 2**32, 60, 60)

    said = confined.run(['seq', '200000'], limits)

    assert said.split() == [str(number) for number in range(1, 200_001)]


def test_an_answer_without_end():
    limits = confined.Limits('nobody', 2**32, 60, 60)

    with pytest.raises(confined.Failed, match='File size limit exceeded'):
        confined.run(['cat', '/dev/zero'], limits)


def _refused(pid):
    raise PermissionError(1, 'Operation not permitted')


@pytest.fixture(params=['pidfd', 'none'])
def kernel(request, monkeypatch):
    """With pidfd_open, and one or a container that refuses it."""
    if request.param == 'none':
        monkeypatch.setattr(os, 'pidfd_open', _refused)


def test_the_end_of_a_program_is_seen(kernel):
    looks = []
    limits = confined.Limits('nobody', 2**32, 60, 60)

    said = confined.run(['sh', '-c', 'sleep 1.2; echo done'], limits,
                        look=lambda *_: bool(looks.append(1)))

    assert said == 'done\n'
    assert looks  # and meanwhile it was looked at


def test_a_program_that_stands_still_is_ended(kernel):
    limits = confined.Limits('nobody', 2**32, 60, 0.6)

    with pytest.raises(confined.Failed, match='no progress'):
        confined.run(['sleep', '600'], limits)
