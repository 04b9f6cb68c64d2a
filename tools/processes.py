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

"""The processes of a test run, down to the daemons that its tests start."""

import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import time

# How long a process may take to clean up behind itself before it is killed.
GRACE = 60


class Process:
    """A command in a session of its own."""

    def __init__(self, command: list[str], cwd: pathlib.Path,
                 **options) -> None:
        self._popen = subprocess.Popen(
            command, cwd=cwd, start_new_session=True, text=True,
            stdin=subprocess.DEVNULL, **options)

    def wait(self, deadline: float) -> tuple[int, str]:
        """The exit status and the output, if that was asked for."""
        try:
            output = self._communicate(deadline)
        except BaseException:
            self._stop()
            raise
        return self._popen.returncode, output or ''

    def _communicate(self, deadline: float) -> str | None:
        while True:
            try:
                return self._popen.communicate(timeout=1)[0]
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise
            # libvirt, for one, waits for a guest's process to vanish.
            reap(spare=self._popen.pid)

    def _stop(self) -> None:
        # An interrupt lets pytest tear its fixtures down.
        for number in signal.SIGINT, signal.SIGTERM, signal.SIGKILL:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(GRACE)
                return


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    set_child_subreaper = 36
    ctypes.CDLL(None, use_errno=True).prctl(set_child_subreaper, 1, 0, 0, 0)


def processes() -> dict[int, tuple[str, int]]:
    """The states and the parents of all processes, by their ids."""
    found = {}
    for stat in pathlib.Path('/proc').glob('[0-9]*/stat'):
        with contextlib.suppress(OSError):
            # The name, in parentheses, may contain anything.
            fields = stat.read_text().rpartition(')')[2].split()
            found[int(stat.parent.name)] = fields[0], int(fields[1])
    return found


def descendants() -> dict[int, str]:
    """All processes below this one: their ids and command lines."""
    children: dict[int, list[int]] = {}
    for pid, (state, parent) in processes().items():
        if state not in 'ZX':
            children.setdefault(parent, []).append(pid)
    found = {}
    parents = [os.getpid()]
    while parents:
        for pid in children.get(parents.pop(), ()):
            parents.append(pid)
            with contextlib.suppress(OSError):
                line = pathlib.Path(f'/proc/{pid}/cmdline').read_bytes()
                found[pid] = line.replace(b'\0', b' ').decode(
                    errors='replace').strip()
    return found


def reap(spare: int | None = None) -> None:
    """Collect the exit statuses of adopted processes.

    :param spare: a process whose status somebody else wants
    """
    for pid, (state, parent) in processes().items():
        if state == 'Z' and parent == os.getpid() and pid != spare:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def stop_leftovers() -> dict[int, str]:
    """Stop what is still running below this process; what that was."""
    # What is just about to end is not left behind.
    end = time.monotonic() + 2
    while descendants() and time.monotonic() < end:
        reap()
        time.sleep(0.05)
    leftovers = descendants()
    for number, patience in (signal.SIGTERM, 10), (signal.SIGKILL, 5):
        for pid in descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        end = time.monotonic() + patience
        while descendants() and time.monotonic() < end:
            reap()
            time.sleep(0.05)
    reap()
    return leftovers
