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
"""What may happen to a host between any two of its calls to Ceph.

The parts of a pool are the seam: each of their methods is one call.  Nothing
of the package is patched; a pool is given parts that count.
"""

from collections.abc import Callable
import functools
import threading
from typing import Any

from rbd_imgdriver.ceph import parts

PARTS = tuple(name for name in parts.Pool.__annotations__ if name != 'name')


class Crash(BaseException):
    """The process is gone: nothing that it calls from now on happens."""


class Calls:
    """The calls of one host to Ceph.

    :ivar is_dead: whether it has crashed
    :ivar has_to_wait: called when the host meets a lease of the other one
    :ivar leases: (pool, lease) that it has got, and that nobody gives back
        when it has crashed
    """

    def __init__(self) -> None:
        self.has_to_wait: Callable[[], None] = lambda: None
        self.leases: list[tuple[Any, Any]] = []
        self.is_dead = False
        self._left = 0
        self._accident: Callable[[], None] | None = None
        self._thread: threading.Thread | None = None

    def at(self, number: int, accident: Callable[[], None]) -> None:
        """Let something happen before the n-th call from now on.

        Only this thread's calls count: what others do in the background
        depends on how fast the machine is.
        """
        self._left, self._accident = number, accident
        self._thread = threading.current_thread()

    def clear(self) -> None:
        """Let nothing happen any more."""
        self._accident = None
        self.has_to_wait = lambda: None

    def crash(self) -> None:
        """Die."""
        self.is_dead = True
        raise Crash

    def made(self, function: Callable[..., Any], *args: Any,
             **kwargs: Any) -> Any:
        """Make a call, unless it comes to that."""
        if self.is_dead:
            raise Crash
        if (self._accident is not None
                and threading.current_thread() is self._thread):
            self._left -= 1
            if self._left <= 0:
                accident, self._accident = self._accident, None
                accident()
        return function(*args, **kwargs)


class _Part:
    """A part of a pool whose calls count."""

    def __init__(self, part: Any, calls: Calls) -> None:
        self._part = part
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        return functools.partial(self._calls.made, getattr(self._part, name))


class _Leases(_Part):
    def acquire(self, lease: Any, holder: dict[str, str]) -> bool:
        found = self._calls.made(self._part.acquire, lease, holder)
        if found:
            self._calls.leases.append((self._part, lease))
        else:
            self._calls.has_to_wait()
        return found

    def holder(self, name: str) -> dict[str, str] | None:
        found = self._calls.made(self._part.holder, name)
        if found is not None:
            self._calls.has_to_wait()
        return found

    def release(self, lease: Any) -> None:
        self._calls.made(self._part.release, lease)
        self._calls.leases = [one for one in self._calls.leases
                              if one[1] != lease]


def count(pool: Any, calls: Calls) -> Any:
    """Let the calls of a pool count, and those of its siblings.

    :param pool: a handle that nobody else has
    """
    sibling, holding = pool.sibling, pool.holding
    for name in PARTS:
        kind = _Leases if name == 'leases' else _Part
        setattr(pool, name, kind(getattr(pool, name), calls))

    def counted_sibling(name: str) -> Any:
        if name == pool.name:
            return pool
        return count(sibling(name), calls)

    def counted_holding(image: str) -> Any:
        found = calls.made(holding, image)
        return found and counted_sibling(found.name)

    pool.sibling, pool.holding = counted_sibling, counted_holding
    return pool
