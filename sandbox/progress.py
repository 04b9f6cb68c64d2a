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

"""Progress lines: what has begun, what is done, how long it took."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import sys
import threading
import time

from sandbox import errors

HEARTBEAT = 15.0


class Progress:
    """Prints one line when a step begins to matter and one when it ends.

    Steps may run in several threads.  A step that takes longer than the
    heartbeat is mentioned again, so that nobody wonders whether it hangs.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._running: dict[str, float] = {}

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def line(self, text: str) -> None:
        """Print a line with the time in front of it."""
        with self._lock:
            print('[%6.1f s] %s' % (self.elapsed, text), flush=True,
                  file=sys.stderr)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Say that a step begins, and how long it took."""
        began = self._running[name] = time.monotonic()
        self.line('%-14s ...' % name)
        try:
            yield
        except BaseException as error:
            self.line('%-14s %s' % (name, 'given up' if isinstance(
                error, errors.Cancelled) else 'FAILED'))
            raise
        finally:
            del self._running[name]
        self.line('%-14s done in %.1f s' % (name, time.monotonic() - began))

    @contextlib.contextmanager
    def heartbeat(self) -> Iterator[None]:
        """While inside, mention now and then what is still running."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(HEARTBEAT):
                now = time.monotonic()
                running = ['%s (%.0f s)' % (name, now - began)
                           for name, began in list(self._running.items())]
                if running:
                    self.line('still at it: ' + ', '.join(running))

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
