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
"""First come, first served."""

import collections
from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import threading

_TICK = 1.0  # seconds between two calls of who waits


class Turns:
    """So many at a time; who waits is let in in the order of arrival.

    :param places: how many may be inside at once
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: collections.deque[threading.Event] = (
            collections.deque())
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def turn(self, tick: Callable[[], None],
             every: float = _TICK) -> Iterator[None]:
        """Wait for a place and keep it for the context.

        :param tick: called now and then while waiting; what it raises ends
            the wait
        :param every: seconds between two of its calls
        """
        mine = self._enter()
        try:
            while not mine.wait(every):
                tick()
            yield
        finally:
            self._leave(mine)

    def _enter(self) -> threading.Event:
        mine = threading.Event()
        with self._lock:
            if self._free:
                self._free -= 1
                mine.set()
            else:
                self._waiting.append(mine)
        return mine

    def _leave(self, mine: threading.Event) -> None:
        with self._lock:
            if not mine.is_set():
                self._waiting.remove(mine)
            elif self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1
