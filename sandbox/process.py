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

"""Background processes: start, look after, stop; always by identity.

A process id alone says nothing: the kernel gives it to somebody else once
its process has gone.  A process is told by its id *and* the time it started,
so nothing here ever signals a stranger.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import time

from sandbox import errors
from sandbox import polling
from sandbox import templates

PROC = pathlib.Path('/proc')

# In the environment of every daemon and so of its children; its value is
# the path of the daemon's record.
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


@dataclasses.dataclass
class Daemon:
    """A program that runs in the background.

    Its record, a file in the run directory, says which process it is and
    what it was started with.
    """

    name: str
    command: Sequence[str | os.PathLike[str]]
    env: Mapping[str, str]
    log: pathlib.Path
    record: pathlib.Path
    ready: Callable[[Daemon], bool]
    ready_timeout: float = 60
    stop_timeout: float = 20
    cwd: pathlib.Path | None = None
    configuration: Sequence[pathlib.Path] = ()
    """Files and directories: if they change, a restart is due."""

    _offset: int = 0

    def running(self) -> Identity | None:
        """The daemon's process, if it runs."""
        identity = self._load().get('identity')
        found = Identity(**identity) if identity else None
        return found if found is not None and found.alive() else None

    def started_at(self) -> float:
        """When the daemon was started, in seconds since 1970."""
        return float(self._load().get('started_at', 0))

    def outdated(self) -> bool:
        """Whether it runs with another configuration than it should."""
        return self._load().get('fingerprint') != self._fingerprint()

    def start(self) -> None:
        """Start the daemon; it is not ready yet."""
        self._sweep()
        self.record.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, 'a') as log:
            self._offset = log.tell()
            process = subprocess.Popen(
                [os.fspath(word) for word in self.command],
                stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, cwd=self.cwd,
                env={**self.env, MARK: str(self.record)},
                start_new_session=True)
        identity = Identity.of(process.pid)
        # A process that has ended already is reported by await_ready().
        templates.write(self.record, json.dumps({
            'identity': identity and dataclasses.asdict(identity),
            'started_at': time.time(),
            'fingerprint': self._fingerprint()}))

    def await_ready(self) -> None:
        """Wait until the daemon serves; say why if it never will."""
        def settled() -> bool:
            return self.running() is None or self.ready(self)

        settled_in_time = polling.wait_until(settled, self.ready_timeout)
        if self.running() is None:
            raise self.failure('it ended by itself')
        if not settled_in_time:
            raise self.failure(
                f'it was not ready after {self.ready_timeout:.0f} s')

    def launch(self) -> None:
        """Let it run with the present configuration."""
        if self.running() is not None and self.outdated():
            self.stop()
        if self.running() is None:
            self.start()

    def ensure(self) -> None:
        """Let it run with the present configuration, and be ready."""
        self.launch()
        self.await_ready()

    def stop(self) -> None:
        """Stop the daemon and all its children."""
        leader = self.running()
        if leader is not None:
            family = in_session(leader.pid)
            stop_all([leader], self.stop_timeout)
            stop_all([child for child in family if child.alive()], 5)
        self._sweep()
        self.record.unlink(missing_ok=True)

    def failure(self, message: str) -> errors.SandboxError:
        """An error that shows what this daemon wrote since its start."""
        return errors.SandboxError(self.name, message, self.log,
                                   self._offset)

    def _sweep(self) -> None:
        """End what a crash has left of an earlier start."""
        stop_all(list(marked(self.record)), 5)

    def _load(self) -> dict[str, object]:
        try:
            return json.loads(self.record.read_text())
        except (FileNotFoundError, ValueError):
            return {}

    def _fingerprint(self) -> str:
        digest = hashlib.sha256(repr((
            [os.fspath(word) for word in self.command],
            sorted(self.env.items()))).encode())
        for path in self.configuration:
            files = sorted(path.glob('*.conf')) if path.is_dir() else [path]
            for file in files:
                if file.exists():
                    digest.update(bytes(file) + file.read_bytes())
        return digest.hexdigest()
