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

"""What goes wrong in the sandbox, in terms of its parts."""

from __future__ import annotations

import pathlib


class SandboxError(Exception):
    """A part of the sandbox failed.

    :param part: the part, as the person sees it in the progress lines
    :param message: what happened, one sentence
    :param log: a file whose end explains it, if there is one
    :param offset: where in that file the failed attempt begins
    """

    def __init__(self, part: str, message: str,
                 log: pathlib.Path | None = None, offset: int = 0) -> None:
        super().__init__(f'{part}: {message}')
        self.part = part
        self.message = message
        self.log = log
        self.offset = offset

    def explain(self, lines: int = 25) -> str:
        """The message and the end of the log."""
        text = str(self)
        if self.log is not None and self.log.exists():
            end = tail(self.log, lines, self.offset)
            text += f'\n--- end of {self.log}\n{end}\n---'
        return text


class Cancelled(Exception):
    """Another part failed, or the person pressed Ctrl-C."""


def tail(path: pathlib.Path, lines: int, offset: int = 0) -> str:
    """The last lines of a log, without debug messages if others exist."""
    with open(path, errors='replace') as log:
        log.seek(offset)
        text = log.read().splitlines()
    telling = [line for line in text if ' DEBUG ' not in line]
    return '\n'.join((telling or text)[-lines:])
