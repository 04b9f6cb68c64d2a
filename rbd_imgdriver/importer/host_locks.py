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
"""Locks between the services of a host that nobody else can take.

The files are readable by their owner only: a lock on what others may open is
one that others may hold.  Nothing here waits in the kernel, where a lock
would stop all of a service that runs on an event loop.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import fcntl
import os
import pathlib
import pwd


class Unusable(Exception):
    """The file of a lock cannot be opened; the sentence says why."""


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[int]:
    """Open the file of a lock, and let go of the lock at the end.

    :returns: a descriptor
    :raises Unusable: when it cannot be opened
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW,
                             0o600)
    except OSError as error:
        raise Unusable(f'user {os.geteuid()} cannot use the lock {path}'
                       f'{_owner(path)}: {error.strerror}') from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def take(descriptor: int, shared: bool = False) -> bool:
    """Take a lock, unless another has it.

    :param shared: leave room for others who share it
    :returns: whether it was taken
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait(descriptor: int, waiting: Callable[[], None],
         shared: bool = False) -> None:
    """Take a lock as soon as nobody else has it.

    :param waiting: called between two tries, and pauses; what it raises ends
        the wait
    """
    while not take(descriptor, shared):
        waiting()


def _owner(path: pathlib.Path) -> str:
    try:
        owner = path.stat().st_uid
    except OSError:
        return ''
    with contextlib.suppress(KeyError):
        return f', which belongs to {pwd.getpwuid(owner).pw_name}'
    return f', which belongs to user {owner}'
