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

"""Telling processes apart, finding and stopping them, by identity.

A process id alone says nothing: the kernel gives it to somebody else once
its process has gone.  A process is known by its id *and* the time it started,
so nothing here ever signals a stranger.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
import os
import pathlib
import signal

from sandbox import polling

PROC = pathlib.Path('/proc')

# In the environment of every daemon and so of its children; its value is
# the path of the daemon's record (see background.py).
MARK = 'SANDBOX_PROCESS'


@dataclasses.dataclass(frozen=True)
class Identity:
    """One process, distinguished from any later one with the same id."""

    pid: int
    start: int
    """Clock ticks from the machine's start to the process's."""
    boot: str
    """Which start of the machine that was."""

    @classmethod
    def of(cls, pid: int) -> Identity | None:
        """The process that has this id now; None if there is none."""
        fields = stat_fields(pid)
        if fields is None or fields[0] in 'ZX':
            return None
        return cls(pid, int(fields[19]), boot_id())

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Identity.of(self.pid) == self

    def signal(self, number: int) -> None:
        """Send a signal, unless the process has gone."""
        if not self.alive():
            return
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass


def boot_id() -> str:
    """A name for the time since the machine was started."""
    return (PROC / 'sys/kernel/random/boot_id').read_text().strip()


def stat_fields(pid: int) -> list[str] | None:
    """/proc/<pid>/stat from the third field (the state) on."""
    try:
        text = (PROC / str(pid) / 'stat').read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name, which may contain anything.
    return text.rpartition(')')[2].split()


def marked(path: pathlib.Path) -> Iterator[Identity]:
    """All processes of the daemon with this record, or in this directory."""
    record = f'{MARK}={path}'.encode()
    inside = record + b'/'
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environ = (entry / 'environ').read_bytes()
        except OSError:
            continue
        if any(item == record or item.startswith(inside)
               for item in environ.split(b'\0')):
            identity = Identity.of(int(entry.name))
            if identity is not None and identity.pid != os.getpid():
                yield identity


def in_session(leader: int) -> list[Identity]:
    """The processes of the session that this process leads."""
    members = []
    for entry in PROC.iterdir():
        fields = entry.name.isdigit() and stat_fields(int(entry.name))
        if fields and int(fields[3]) == leader:
            identity = Identity.of(int(entry.name))
            if identity is not None:
                members.append(identity)
    return members


def stop_all(processes: Sequence[Identity], timeout: float) -> None:
    """Ask processes to end; after the timeout, end them."""
    for process in processes:
        process.signal(signal.SIGTERM)
    if polling.wait_until(
            lambda: not any(process.alive() for process in processes),
            timeout, interval=0.05):
        return
    for process in processes:
        process.signal(signal.SIGKILL)
    polling.wait_until(
        lambda: not any(process.alive() for process in processes), 5)
