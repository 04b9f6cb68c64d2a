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

"""Steps run as early as they may, and a failure stops the rest."""

import threading

import pytest

from sandbox import errors
from sandbox import polling
from sandbox import progress
from sandbox import steps


@pytest.fixture(autouse=True)
def not_cancelled(monkeypatch):
    monkeypatch.setattr(polling, 'CANCELLED', threading.Event())


def run(*given):
    steps.run(given, progress.Progress())


def test_steps_come_after_those_they_depend_on():
    done = []
    run(steps.Step('c', lambda: done.append('c'), after=('a', 'b')),
        steps.Step('b', lambda: done.append('b'), after=('a',)),
        steps.Step('a', lambda: done.append('a')))
    assert done == ['a', 'b', 'c']


def test_independent_steps_run_at_the_same_time():
    together = threading.Barrier(2, timeout=10)
    run(steps.Step('a', together.wait), steps.Step('b', together.wait))


def test_failure_stops_what_comes_after_and_is_raised():
    done = []

    def fail():
        raise errors.SandboxError('a', 'broken')

    with pytest.raises(errors.SandboxError, match='broken'):
        run(steps.Step('a', fail),
            steps.Step('b', lambda: done.append('b'), after=('a',)))
    assert done == []


def test_failure_ends_the_waiting_of_others():
    began = threading.Event()

    def wait():
        began.set()
        polling.wait_until(lambda: False, 60)

    def fail():
        began.wait(10)
        raise errors.SandboxError('b', 'broken')

    with pytest.raises(errors.SandboxError, match='broken'):
        run(steps.Step('a', wait), steps.Step('b', fail))


def test_operating_system_errors_name_the_step():
    def fail():
        raise FileNotFoundError('mariadbd')

    with pytest.raises(errors.SandboxError, match='database: mariadbd'):
        run(steps.Step('database', fail))


def test_steps_that_wait_for_each_other():
    with pytest.raises(ValueError, match='each other'):
        run(steps.Step('a', lambda: None, after=('b',)),
            steps.Step('b', lambda: None, after=('a',)))


def test_unknown_predecessor():
    with pytest.raises(ValueError, match='nowhere'):
        run(steps.Step('a', lambda: None, after=('nowhere',)))
