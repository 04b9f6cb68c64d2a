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

"""Background processes: start, look after, stop."""

from __future__ import annotations

from collections.abc import Callable
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
from typing import Any

from sandbox import errors
from sandbox import polling
from sandbox import process
from sandbox import templates


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

    def running(self) -> process.Identity | None:
        """The daemon's process, if it runs."""
        identity = self._load().get('identity')
        found = process.Identity(**identity) if identity else None
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
            child = subprocess.Popen(
                [os.fspath(word) for word in self.command],
                stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, cwd=self.cwd,
                env={**self.env, process.MARK: str(self.record)},
                start_new_session=True)
        identity = process.Identity.of(child.pid)
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
            family = process.in_session(leader.pid)
            process.stop_all([leader], self.stop_timeout)
            process.stop_all([child for child in family if child.alive()], 5)
        self._sweep()
        self.record.unlink(missing_ok=True)

    def kill(self) -> None:
        """End it as a crash does; it has ended when this returns.

        A busy machine takes its time, and a process that is just ending
        still counts as running.
        """
        leader = self.running()
        if leader is not None:
            leader.signal(signal.SIGKILL)
            if not polling.wait_until(lambda: not leader.alive(), 60):
                raise self.failure('it does not end')

    def failure(self, message: str) -> errors.SandboxError:
        """An error that shows what this daemon wrote since its start."""
        return errors.SandboxError(self.name, message, self.log,
                                   self._offset)

    def _sweep(self) -> None:
        """End what a crash has left of an earlier start."""
        process.stop_all(list(process.marked(self.record)), 5)

    def _load(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self.record.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return content

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
