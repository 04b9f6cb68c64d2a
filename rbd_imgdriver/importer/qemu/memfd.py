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
"""Files in memory: what no other process may see, and what is soon gone."""

from collections.abc import Iterator
import contextlib
import fcntl
import os

_FIRST = 10  # number of a descriptor that programs inherit
_TAIL = 64 * 1024  # bytes of what a program has to say


@contextlib.contextmanager
def file(name: str, contents: bytes = b'') -> Iterator[int]:
    """A file without a place in any file system.

    A program that inherits the descriptor opens it by its :func:`path`,
    whatever user it runs as; nobody else can.

    :param name: shown in /proc only
    :returns: the descriptor
    """
    descriptor = for_programs(os.memfd_create(name))
    try:
        os.write(descriptor, contents)
        yield descriptor
    finally:
        os.close(descriptor)


def for_programs(descriptor: int) -> int:
    """The same file under a number that programs leave alone.

    A program that is handed a socket as systemd does takes descriptor 3.

    :param descriptor: closed afterwards
    """
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST)
    finally:
        os.close(descriptor)


def path(descriptor: int) -> str:
    """Where a program finds a descriptor that it inherited."""
    return f'/dev/fd/{descriptor}'


def text(descriptor: int) -> str:
    """All of what a program has written."""
    return _decoded(descriptor, 0)


def tail(descriptor: int) -> str:
    """The end of what a program has written, enough for a message."""
    return _decoded(descriptor, _TAIL)


def _decoded(descriptor: int, most: int) -> str:
    """:param most: bytes from the end; 0: all"""
    size = os.fstat(descriptor).st_size
    most = most or size
    return os.pread(descriptor, most, max(size - most, 0)).decode(
        errors='replace')
