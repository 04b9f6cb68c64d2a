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
"""Checks at once, and their end."""

import threading
import time

from rbd_imgdriver.cmd.checks import findings
from rbd_imgdriver.cmd.checks import parallel

GOOD = findings.Finding('cluster', 'a', 'it answers')


def test_all_findings_come_in_the_order_of_the_tasks():
    meeting = threading.Barrier(2)

    def check():
        meeting.wait(60)  # both run at once
        yield GOOD

    found = parallel.run([parallel.Task('a', check),
                          parallel.Task('b', check)], 60)

    assert found == [GOOD, GOOD]


def test_what_does_not_end_is_left_behind_with_what_it_has_found():
    stuck = threading.Event()

    def check():
        yield GOOD
        stuck.wait()

    began = time.monotonic()
    found = parallel.run([
        parallel.Task('database', check, 'database-unreachable'),
        parallel.Task('host', check)], 0.5)

    assert [(one.code, one.subject) for one in found] == [
        ('cluster', 'a'), ('database-unreachable', 'database'),
        ('cluster', 'a'), ('unanswered', 'host')]
    assert time.monotonic() - began < 30
    stuck.set()


def test_an_error_that_nobody_expects_is_a_finding():
    def check():
        yield GOOD
        raise KeyError('x')

    found = parallel.run([parallel.Task('a', check)], 60)

    assert [one.code for one in found] == ['cluster', 'check-failed']
    assert found[1].detail == "KeyError: 'x'"


def test_the_first_answer_counts():
    answer = parallel.Answer()

    assert answer.wait(0) is None
    answer.give([1])
    answer.give(None)
    assert answer.wait(0) == [1]
