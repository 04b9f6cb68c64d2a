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
"""Two hosts at work at the same time, of which one runs at a time."""

from collections.abc import Callable
import threading
import time

_MOST = 500  # switches in which neither gets on


class Deadlock(AssertionError):
    """Each of two hosts waits for the other."""


class Turns:
    """The other host works inside the first one's call, until it has to wait.

    Then the first goes on, and so forth: what happens depends on the seed
    only, not on the machine.

    :param patience: seconds that what both wait for may take
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._began = 0.0
        self._first: threading.Thread | None = None
        self._second: threading.Thread | None = None
        self._first_may = threading.Semaphore(0)
        self._second_may = threading.Semaphore(0)
        self._is_first_done = False
        self._error: BaseException | None = None
        self._switches = 0

    def begin(self, action: Callable[[], None]) -> None:
        """Let the other work; returns when it is done or has to wait."""
        self._first = threading.current_thread()
        self._is_first_done = False
        self._switches = 0
        self._began = time.monotonic()
        self._second = threading.Thread(target=self._work, args=(action,),
                                        daemon=True)
        self._second.start()
        self._first_may.acquire()

    def wait(self) -> None:
        """Whoever calls this has to wait for the other, if there is one."""
        here = threading.current_thread()
        if self._second is None or here not in (self._first, self._second):
            return
        self._switches += 1
        if (self._switches > _MOST
                and time.monotonic() - self._began > self._patience):
            raise Deadlock('each host waits for the other')
        if here is self._first:
            self._second_may.release()
            self._first_may.acquire()
        elif not self._is_first_done:
            self._first_may.release()
            self._second_may.acquire()

    def end(self) -> None:
        """The first is done; let the other end its work.

        :raises BaseException: what the other raised
        """
        if self._second is not None:
            self._is_first_done = True
            self._second_may.release()
            self._first_may.acquire()
        error, self._error = self._error, None
        self._second_may = threading.Semaphore(0)
        if error is not None:
            raise error

    def _work(self, action: Callable[[], None]) -> None:
        try:
            action()
        except BaseException as error:
            self._error = error
        finally:
            self._second = None
            self._first_may.release()
