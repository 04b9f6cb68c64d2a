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
"""Places that are given out fairly: to nobody all, to everybody in turn."""

import collections
from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import threading

_TICK = 1.0  # seconds between two calls by a waiting caller


@dataclasses.dataclass(frozen=True, eq=False)
class _Guest:
    """The callers that wait for a place, or have one.

    :param owner: whose turn it is; None: nobody's, to whom no share applies
    :param inside: set when there is a place
    """

    owner: str | None
    inside: threading.Event


class FairSemaphore:
    """So many at a time, of whom no owner has all.

    A place that comes free goes to the owner who has the fewest, and among
    equals to who came first.  The last place is for another owner than the
    one who has all the others: however long their work takes, somebody else's
    goes on.

    :param places: how many may be inside at once
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._share = max(1, places - 1)
        self._inside: collections.Counter[str] = collections.Counter()
        self._waiting: list[_Guest] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def turn(self, tick: Callable[[], None], owner: str | None = None,
             every: float = _TICK) -> Iterator[None]:
        """Wait for a place and keep it for the context.

        :param tick: called now and then while waiting; what it raises ends
            the wait
        :param owner: whose share of the places it counts to
        :param every: seconds between two calls of ``tick``
        """
        mine = _Guest(owner, threading.Event())
        with self._lock:
            self._waiting.append(mine)
            self._admit()
        try:
            while not mine.inside.wait(every):
                tick()
            yield
        finally:
            self._leave(mine)

    def _leave(self, mine: _Guest) -> None:
        with self._lock:
            if mine.inside.is_set():
                self._free += 1
                if mine.owner is not None:
                    self._inside.subtract([mine.owner])
                    self._inside += collections.Counter()  # drops the zeros
            else:
                self._waiting.remove(mine)
            self._admit()

    def _admit(self) -> None:
        """Let in who may come in; to be called with the lock held."""
        while self._free:
            candidates = [one for one in self._waiting
                          if self._taken(one) < self._share]
            if not candidates:
                return
            guest = min(candidates, key=self._taken)
            self._waiting.remove(guest)
            self._free -= 1
            if guest.owner is not None:
                self._inside[guest.owner] += 1
            guest.inside.set()

    def _taken(self, guest: _Guest) -> int:
        """How many places the guest's owner has."""
        return 0 if guest.owner is None else self._inside[guest.owner]
