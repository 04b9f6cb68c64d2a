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

"""A recycled process id must never be mistaken for our process."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from sandbox import background
from sandbox import errors
from sandbox import polling
from sandbox import process

SLEEP = ['sleep', '600']


@pytest.fixture
def sleeper():
    child = subprocess.Popen(SLEEP)
    yield child
    child.kill()
    child.wait()


def daemon(tmp_path, command, name='thing', **options):
    options.setdefault('ready', lambda daemon: True)
    return background.Daemon(
        name=name, command=command, env={'PATH': os.environ['PATH']},
        log=tmp_path / f'{name}.log', record=tmp_path / f'{name}.json',
        **options)


@pytest.fixture
def sleeping(tmp_path):
    made = daemon(tmp_path, SLEEP)
    made.start()
    yield made
    made.stop()


def test_identity_of_a_running_process(sleeper):
    identity = process.Identity.of(sleeper.pid)
    assert identity.alive()


def test_ended_process_is_not_alive_even_before_it_is_reaped(sleeper):
    identity = process.Identity.of(sleeper.pid)
    os.kill(sleeper.pid, 9)
    assert polling.wait_until(lambda: not identity.alive(), 10)
    assert process.Identity.of(sleeper.pid) is None


@pytest.mark.parametrize('other', [{'start': 1}, {'boot': 'another'}])
def test_process_with_a_recycled_id_is_left_alone(sleeper, other):
    ours = dataclasses.replace(process.Identity.of(sleeper.pid), **other)
    assert not ours.alive()
    ours.signal(9)
    process.stop_all([ours], 1)
    assert sleeper.poll() is None


def test_name_with_parentheses_and_spaces(tmp_path):
    program = tmp_path / 'a) R 1 (b'
    program.symlink_to(sys.executable)
    child = subprocess.Popen([program, '-c', 'input()'],
                             stdin=subprocess.PIPE)
    try:
        assert process.Identity.of(child.pid).alive()
        assert int(process.stat_fields(child.pid)[1]) == os.getpid()
    finally:
        child.communicate(b'\n')


def test_daemon_is_found_again_by_its_record(sleeping, tmp_path):
    again = daemon(tmp_path, SLEEP)
    assert again.running() == sleeping.running()
    assert again.running() is not None
    assert not again.outdated()


def test_daemon_with_another_command_is_outdated(sleeping, tmp_path):
    assert daemon(tmp_path, ['sleep', '601']).outdated()


def test_daemon_is_outdated_when_its_configuration_changes(tmp_path):
    conf = tmp_path / 'x.conf'
    conf.write_text('a')
    made = daemon(tmp_path, SLEEP, configuration=[conf])
    made.start()
    try:
        assert not made.outdated()
        conf.write_text('b')
        assert made.outdated()
    finally:
        made.stop()


def test_record_of_a_foreign_process_does_not_get_it_killed(
        sleeper, tmp_path):
    thing = daemon(tmp_path, SLEEP)
    thing.start()
    ours = thing.running()
    # As if ours had ended and its id had gone to somebody else.
    record = json.loads(thing.record.read_text())
    record['identity']['pid'] = sleeper.pid
    # Not its own: both may have started within one tick of the clock.
    record['identity']['start'] = 0
    thing.record.write_text(json.dumps(record))
    assert thing.running() is None
    # Ours has lost its record; it is found by its mark, which Linux shows a
    # moment after the program has been started.
    assert polling.wait_until(
        lambda: ours in process.marked(thing.record), 60)
    thing.stop()
    assert sleeper.poll() is None
    assert polling.wait_until(lambda: not ours.alive(), 60)


def test_children_end_with_the_daemon(tmp_path):
    made = daemon(tmp_path, ['sh', '-c', 'trap "exit 0" TERM; '
                             'sleep 600 & echo up; wait'])
    made.start()
    leader = made.running()
    assert polling.wait_until(
        lambda: len(process.in_session(leader.pid)) == 2, 10)
    family = process.in_session(leader.pid)
    made.stop()
    assert not any(member.alive() for member in family)
    assert not made.record.exists()


def test_a_killed_daemon_has_ended(tmp_path):
    made = daemon(tmp_path, ['sh', '-c', 'trap "" TERM INT; exec sleep 600'])
    made.start()
    leader = made.running()
    made.kill()
    assert not leader.alive()
    assert made.running() is None


def test_daemon_that_ends_at_once_shows_its_last_words(tmp_path):
    made = daemon(tmp_path, ['sh', '-c', 'echo no such luck; exit 1'],
                  ready=lambda daemon: False)
    made.log.write_text('from an earlier start\n')
    with pytest.raises(errors.SandboxError, match='ended') as caught:
        made.ensure()
    text = caught.value.explain()
    assert 'no such luck' in text
    assert 'earlier' not in text


def test_daemon_that_is_never_ready(tmp_path):
    made = daemon(tmp_path, SLEEP, ready=lambda daemon: False,
                  ready_timeout=0.2)
    try:
        with pytest.raises(errors.SandboxError, match='not ready'):
            made.ensure()
    finally:
        made.stop()
