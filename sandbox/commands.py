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

"""Running a program to its end, with its output in a log."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import os
import pathlib
import shlex
import signal
import subprocess

from sandbox import errors
from sandbox import polling


def run(part: str, command: Sequence[str | os.PathLike[str]], *,
        log: pathlib.Path, env: Mapping[str, str] | None = None,
        cwd: pathlib.Path | None = None, stdin: str = '',
        attempt: str = '') -> None:
    """Run a command; raise SandboxError if it fails.

    :param part: on whose behalf, for the message
    :param log: gets the command line and all output, appended
    :param attempt: what the command is for, for the message
    """
    words = [os.fspath(word) for word in command]
    with open(log, 'a') as output:
        output.write(f'$ {shlex.join(words)}\n')
        output.flush()
        offset = output.tell()
        process = subprocess.Popen(
            words, stdout=output, stderr=subprocess.STDOUT, env=env, cwd=cwd,
            stdin=subprocess.PIPE, start_new_session=True, text=True)
    _feed(process, stdin)
    code = _wait(process)
    if code:
        raise errors.SandboxError(
            part, f'{attempt or pathlib.Path(words[0]).name} failed '
                  f'with status {code}', log, offset)


def _feed(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(text)
        process.stdin.close()
    except BrokenPipeError:
        pass


def _wait(process: subprocess.Popen[str]) -> int:
    """Wait for the end of a process, or end it when we give up."""
    while True:
        try:
            return process.wait(polling.INTERVAL)
        except subprocess.TimeoutExpired:
            if polling.CANCELLED.is_set():
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
                raise errors.Cancelled() from None
