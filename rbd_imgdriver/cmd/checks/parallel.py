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
"""Several checks at once, and an end to all of them."""

from collections.abc import Callable
from collections.abc import Iterable
import dataclasses
import logging
import threading
import time

from rbd_imgdriver.cmd.checks import findings

LOG = logging.getLogger(__name__)

Finding = findings.Finding

UNANSWERED = 'unanswered'


@dataclasses.dataclass(frozen=True)
class Task:
    """Something to check.

    :param subject: what it is about
    :param check: yields findings
    :param late: the code of the finding when it does not end in time
    """

    subject: str
    check: Callable[[], Iterable[Finding]]
    late: str = UNANSWERED


class Answer:
    """What one task finds and another waits for."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._value: object = None

    def give(self, value: object) -> None:
        """Let those who wait go on; the first value counts."""
        if not self._ready.is_set():
            self._value = value
            self._ready.set()

    def wait(self, ends: float) -> object:
        """The value, or None when there is none by then.

        :param ends: on the monotonic clock
        """
        self._ready.wait(max(0.0, ends - time.monotonic()))
        return self._value


def run(tasks: Iterable[Task], seconds: float) -> list[Finding]:
    """Do all at once; what has not ended by then is left behind.

    The threads are daemons: they do not keep the process.
    """
    ends = time.monotonic() + seconds
    running = [_Running(task) for task in tasks]
    found: list[Finding] = []
    for one in running:
        found += one.findings(ends, seconds)
    return found


class _Running:
    """A task in a thread of its own."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._found: list[Finding] = []
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def findings(self, ends: float, seconds: float) -> list[Finding]:
        """What it has found by then."""
        # In short waits, so that Ctrl-C is heeded between two.
        while self._thread.is_alive() and time.monotonic() < ends:
            self._thread.join(min(0.2, max(0.0, ends - time.monotonic())))
        found = list(self._found)
        if self._thread.is_alive():
            found.append(Finding(self._task.late, self._task.subject,
                                 f'no answer within {seconds:.0f} s'))
        return found

    def _work(self) -> None:
        task = self._task
        try:
            for one in task.check():
                self._found.append(one)
        except Exception as error:
            LOG.info('The check of %s failed', task.subject, exc_info=True)
            self._found.append(Finding('check-failed', task.subject,
                                       f'{type(error).__name__}: {error}'))
