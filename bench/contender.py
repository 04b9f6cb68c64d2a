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

"""The processes that are compared, as the benchmark sees them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

TOP = pathlib.Path(__file__).resolve().parent.parent


class ContenderFailed(Exception):
    """A contender could not do what it was asked to."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """What one measured operation took.

    :param seconds: wall time
    :param cpu_seconds: of the contender and the programs it ran, without
        Ceph's daemons
    :param temp_bytes: the most that its temporary files occupied
    :param memory_bytes: the most resident memory above that before
    :param connections: sessions that the monitor opened meanwhile
    :param downloads: images fetched from Glance
    :param volumes: ids of the volumes made
    :param names: names of their RBD images
    """

    seconds: float
    cpu_seconds: float = 0.0
    temp_bytes: int = 0
    memory_bytes: int = 0
    connections: int = 0
    downloads: int = 0
    volumes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


class Contender:
    """One process of :mod:`bench.worker`.

    :param kind: ``ours``, ``intree`` or ``limit``
    :param directory: for its files; it must not exist yet
    :param settings: what the agent in the process needs
    """

    def __init__(self, kind: str, directory: pathlib.Path,
                 **settings: str) -> None:
        self.kind = kind
        directory.mkdir(parents=True)
        self._log = directory / 'output.log'
        settings = {'state': str(directory / 'state'), **settings}
        with self._log.open('w') as log:
            self._process = subprocess.Popen(
                [sys.executable, '-W', 'ignore', '-m', 'bench.worker', kind,
                 json.dumps(settings)],
                cwd=TOP, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True, env=_environ())
        self.answer()  # that it is ready

    def begin(self, call: str, **arguments: Any) -> None:
        """Ask for something; :meth:`answer` waits for it."""
        assert self._process.stdin is not None
        request = {'call': call, 'arguments': arguments}
        try:
            self._process.stdin.write(json.dumps(request) + '\n')
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error

    def answer(self) -> Any:
        """What it answers.

        :raises ContenderFailed: when it could not
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._ended()
        answer = json.loads(line)
        if 'error' in answer:
            raise ContenderFailed(f'{self.kind}: {answer["error"]}')
        return answer['result']

    def call(self, call: str, **arguments: Any) -> Any:
        """Ask for something and wait for the answer."""
        self.begin(call, **arguments)
        return self.answer()

    def sample(self, call: str, **arguments: Any) -> Sample:
        """The same for what is measured."""
        return Sample(**self.call(call, **arguments))

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ended(self) -> ContenderFailed:
        return ContenderFailed(
            f'{self.kind} ended ({self._process.wait()}): '
            + self._log.read_text(errors='replace')[-2000:])


def _environ() -> dict[str, str]:
    """Ours, with the programs of this Python's environment first."""
    programs = pathlib.Path(sys.executable).parent
    return os.environ | {'PATH': f'{programs}:{os.environ["PATH"]}'}
