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
"""The process of a command: it can be interrupted, and ends in good order.

A call of librados returns when it likes, and Python acts on Ctrl-C only
between two calls.  So a command runs in a thread of its own, and the main
thread waits for it and for signals.

librados aborts a process that ends while its threads run (``boost::bad_get``,
exit code 134).  So its clients are shut down first, and a process in which
that does not succeed ends without Python's and the libraries' clearing up.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import ctypes
import gc
import os
import pathlib
import sys
import threading
import time
import traceback
from typing import NoReturn

from rbd_imgdriver.ceph import connection

_POLL = 0.2  # seconds between looks for signals
# Seconds after Ctrl-C that a command has to undo what it has begun, and then
# librados to shut down.
_UNDO = 1.0
_CLOSE_INTERRUPTED = 0.5
_CLOSE = 5.0


# proc(5), stat: starttime is the field 22; the second ends with the last ")".
_STAT = pathlib.Path('/proc/self/stat')
_START = 22 - 3


def age() -> float:
    """Seconds since the process was started, Python's own start included."""
    ticks = _STAT.read_text().rpartition(')')[2].split()[_START]
    return (time.clock_gettime(time.CLOCK_BOOTTIME)
            - int(ticks) / os.sysconf('SC_CLK_TCK'))


class _Command(threading.Thread):
    """A command in a thread of its own."""

    def __init__(self, command: Callable[[], int]) -> None:
        super().__init__(daemon=True)
        self._command = command
        # Python 3.11 takes a thread for ended when join() is interrupted.
        self._ended = threading.Event()
        self.code: int | None = None

    def run(self) -> None:
        try:
            self.code = self._command()
        except SystemExit as error:  # argparse, after it has said why; help
            self.code = (error.code if isinstance(error.code, int)
                         else 0 if error.code is None else 1)
        except BaseException:
            self.code = 1
            traceback.print_exc()
        finally:
            self._ended.set()

    def wait(self, seconds: float) -> bool:
        """Wait for its end; whether it has ended."""
        return self._ended.wait(seconds)

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in it, as soon as it executes Python."""
        assert self.ident is not None
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(self.ident), ctypes.py_object(KeyboardInterrupt))


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Keep what is made inside, mostly modules, from Python's collector.

    Looking for garbage among Cinder's modules while they are imported, and
    again when Python ends, takes two fifths of the time of a short command.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def run(command: Callable[[], int], interrupted: int) -> NoReturn:
    """Run a command and end the process with its exit code.

    :param interrupted: the exit code when it does not end after Ctrl-C
    """
    thread = _Command(command)
    thread.start()
    limit = _CLOSE
    try:
        while not thread.wait(_POLL):
            pass
    except KeyboardInterrupt:
        limit = _CLOSE_INTERRUPTED
        _interrupt(thread)
    code = interrupted if thread.code is None else thread.code
    # A command that is still inside librados keeps its client.
    closed = thread.wait(0) and connection.close_all(limit)
    _flush()
    if closed:
        sys.exit(code)
    os._exit(code)


def _interrupt(thread: _Command) -> None:
    """Let the command undo what it has begun, unless Ctrl-C comes again."""
    try:
        thread.interrupt()
        if not thread.wait(_UNDO):
            print('interrupted while waiting for an answer', file=sys.stderr)
    except KeyboardInterrupt:
        return


def _flush() -> None:
    """Write what is buffered; whoever reads it may have gone."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
