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
"""Temporary files for images that a converter has to seek in."""

from collections.abc import Iterator
import contextlib
import os
import pwd
import tempfile


class Spool:
    """A temporary file that has no name: it cannot be left behind.

    :param descriptor: of the file
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def write(self, chunk: bytes) -> None:
        """Append; belongs into a native thread."""
        view = memoryview(chunk)
        while view:
            view = view[os.write(self.descriptor, view):]

    def give_to(self, user: str) -> None:
        """Let a converter that runs as somebody else read it."""
        os.fchmod(self.descriptor, 0o400)
        if os.geteuid() == 0:
            entry = pwd.getpwnam(user)
            os.fchown(self.descriptor, entry.pw_uid, entry.pw_gid)


@contextlib.contextmanager
def opened(directory: str) -> Iterator[Spool]:
    """A new file in a directory, gone at the end of the context."""
    with tempfile.TemporaryFile(dir=directory, buffering=0) as file:
        yield Spool(file.fileno())
