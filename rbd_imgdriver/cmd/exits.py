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
"""What the command's exit codes mean; scripts may rely on them."""

import enum


class Exit(enum.IntEnum):
    """The exit codes; ``help`` is what the documentation says of each."""

    help: str

    def __new__(cls, value: int, text: str) -> 'Exit':
        """An exit code with its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.help = text
        return member

    OK = 0, 'All was done, or nothing was found.'
    FAILED = 1, 'Ceph, Glance or Cinder failed; nothing or not all was done.'
    USAGE = 2, 'The command line is wrong.'
    CONFIG = 3, ('cinder.conf cannot be read, or has no such backend, or '
                 'lacks what the command needs.')
    NOT_FOUND = 4, 'There is no such image, volume, type or cache entry.'
    PARTIAL = 5, 'Some was done and some was not; the output says what.'
    WARNING = 6, 'The check found something that should be looked at.'
    ERROR = 7, 'The check found something that is broken or damaged.'


class CommandError(Exception):
    """Ends the command with a message and an exit code."""

    def __init__(self, exit_code: Exit, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
