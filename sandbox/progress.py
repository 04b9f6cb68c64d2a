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

HEARTBEAT = 5.0


class Progress:
    """Prints a line when a step is done, and now and then what is going on.

    Steps may run in several threads.
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
            print(f'[{self.elapsed:6.1f} s] {text}', flush=True,
                  file=sys.stderr)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Do a step; say how long it took."""
        began = self._running[name] = time.monotonic()
        try:
            yield
        except BaseException as error:
            given_up = isinstance(error, errors.Cancelled)
            self.line(f'{name:16} {"given up" if given_up else "FAILED"}')
            raise
        finally:
            del self._running[name]
        self.line(f'{name:16} done in {time.monotonic() - began:.1f} s')

    @contextlib.contextmanager
    def heartbeat(self) -> Iterator[None]:
        """While inside, mention now and then what is still running."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(HEARTBEAT):
                now = time.monotonic()
                running = [f'{name} ({now - began:.0f} s)'
                           for name, began in list(self._running.items())]
                if running:
                    self.line('at work: ' + ', '.join(running))

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
