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
"""Temporary files, for images that a converter has to seek in.

Room for a file is taken on the disk before its first byte arrives, so that
imports never fill the directory between them; a caller that finds no room
waits until others are done, in order, also across the services of one host.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import errno
import hashlib
import os
import pathlib
import tempfile
import time

from oslo_log import log as logging

from rbd_imgdriver import blocking
from rbd_imgdriver import errors
from rbd_imgdriver.importer import fair_semaphore
from rbd_imgdriver.importer import host_locks
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import memfd

LOG = logging.getLogger(__name__)

# Left free for others who write to the same file system, in bytes and as a
# part of a small one.
_MARGIN = 256 * 1024 * 1024
_MARGIN_PART = 20

_STEP = 64 * 1024 * 1024  # bytes that a file of unknown length grows by
_POLL = 0.5  # seconds between two looks for room
_LOOKS = 4  # when nobody else is there


class Spool:
    """A temporary file that has no name: it cannot be left behind.

    :param image_id: for errors
    :param directory: where it is
    :param descriptor: of the file
    :param allocated: bytes that are taken on the disk
    :param step: bytes that it grows by
    """

    def __init__(self, image_id: str, directory: str, descriptor: int,
                 allocated: int, step: int) -> None:
        self.descriptor = descriptor
        self._image_id = image_id
        self._directory = directory
        self._allocated = allocated
        self._step = step
        self._length = 0

    def write(self, chunk: bytes) -> None:
        """Append; must be called in a native thread.

        :raises errors.NoTemporarySpace: when a file whose length nobody knew
            finds no more room
        """
        view = memoryview(chunk)
        while self._length + len(view) > self._allocated:
            self._grow()
        while view:
            written = os.write(self.descriptor, view)
            self._length += written
            view = view[written:]

    @contextlib.contextmanager
    def shared(self, user: str) -> Iterator[int]:
        """End it and open it so that a converter can read it.

        :param user: whom the converter runs as if we are root
        :returns: the descriptor, which does not let it write: the data is
            not even hashed to its end
        """
        os.ftruncate(self.descriptor, self._length)
        confined.let_read(self.descriptor, user)
        descriptor = memfd.for_programs(
            os.open(memfd.path(self.descriptor), os.O_RDONLY))
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _grow(self) -> None:
        if not allocate(self.descriptor, self._directory, self._allocated,
                        self._step):
            raise errors.NoTemporarySpace(
                self._image_id, f'after {self._length} bytes '
                f'{self._directory} has no room left for it')
        self._allocated += self._step


class Spooler:
    """Makes the temporary files of a backend.

    :param directory: where
    :param lock_path: directory for locks between the services of the host
    :param pause: waits some seconds
    :param step: bytes that a file of unknown length grows by
    """

    def __init__(self, directory: str, lock_path: str,
                 pause: Callable[[float], None] = time.sleep,
                 step: int = _STEP) -> None:
        self._directory = directory
        # Services that write to the same directory have to meet.
        real = os.path.realpath(directory).encode()
        self._locks = pathlib.Path(
            lock_path or directory,
            f'rbd-imgdriver-{hashlib.sha256(real).hexdigest()[:12]}')
        self._pause = pause
        self._step = step
        self._queue = fair_semaphore.FairSemaphore(1)

    @contextlib.contextmanager
    def file(self, image_id: str, size: int,
             waiting: Callable[[], None]) -> Iterator[Spool]:
        """A new file with room for ``size`` bytes, gone after the context.

        :param size: bytes, as far as they are known
        :param waiting: called now and then while there is no room
        :raises errors.NoTemporarySpace: when there can never be room
        :raises errors.HostUnusable: when this user can have no file there
        """
        with contextlib.ExitStack() as stack:
            with _usable(image_id):
                self._refuse_impossible(image_id, size)
                # The claim is dropped after the file: who sees nobody claim
                # room sees what all others have freed.
                claim = stack.enter_context(self._claim())
                file = stack.enter_context(tempfile.TemporaryFile(
                    dir=self._directory, buffering=0))
                self._take_room(image_id, file.fileno(), size, claim, waiting)
            yield Spool(image_id, self._directory, file.fileno(), size,
                        self._step)

    def _take_room(self, image_id: str, descriptor: int, size: int,
                   claim: int, waiting: Callable[[], None]) -> None:
        """Take room for a file when its turn has come."""
        with self._queue.turn(waiting), self._host_lock(waiting):
            self._wait_for_room(image_id, descriptor, size, waiting)
            host_locks.wait(claim, lambda: self._tick(waiting), shared=True)

    def _wait_for_room(self, image_id: str, descriptor: int, size: int,
                       waiting: Callable[[], None]) -> None:
        reported = False
        while not self._allocated(descriptor, size):
            if self._alone() and not self._allocated_late(descriptor, size):
                raise self._no_room(image_id, size)
            if not reported:
                LOG.info('Image %(image)s waits for %(size)d bytes of room '
                         'in %(directory)s',
                         {'image': image_id, 'size': size,
                          'directory': self._directory})
                reported = True
            self._tick(waiting)

    def _allocated(self, descriptor: int, size: int) -> bool:
        return blocking.run(allocate, descriptor, self._directory, 0, size)

    def _allocated_late(self, descriptor: int, size: int) -> bool:
        """Whether there is room when the last of the others has gone.

        A program that another thread was just starting has held their files
        open, too, and lets go of a claim before it lets go of a file.
        """
        for _ in range(_LOOKS):
            if self._allocated(descriptor, size):
                return True
            self._pause(_POLL)
        return False

    def _alone(self) -> bool:
        """Whether nobody on this host holds room that could come free."""
        with self._claim() as probe:
            return host_locks.take(probe)

    def _claim(self) -> contextlib.AbstractContextManager[int]:
        """Opens what all lock, in common, who hold room."""
        return host_locks.opened(self._locks.with_suffix('.room'))

    @contextlib.contextmanager
    def _host_lock(self, waiting: Callable[[], None]) -> Iterator[None]:
        """The head of the queue, among all services of the host."""
        with host_locks.opened(self._locks.with_suffix('.queue')) as queue:
            host_locks.wait(queue, lambda: self._tick(waiting))
            yield

    def _tick(self, waiting: Callable[[], None]) -> None:
        waiting()
        self._pause(_POLL)

    def _refuse_impossible(self, image_id: str, size: int) -> None:
        stat = os.statvfs(self._directory)
        if size + margin(stat) > stat.f_blocks * stat.f_frsize:
            raise self._no_room(image_id, size)

    def _no_room(self, image_id: str,
                 size: int) -> errors.NoTemporarySpace:
        stat = os.statvfs(self._directory)
        return errors.NoTemporarySpace(
            image_id, f'it needs {size} bytes of temporary space; '
            f'{self._directory} has {stat.f_bavail * stat.f_frsize} of '
            f'{stat.f_blocks * stat.f_frsize} free, of which {margin(stat)} '
            'are kept for others (see image_conversion_dir)')


@contextlib.contextmanager
def _usable(image_id: str) -> Iterator[None]:
    """Say whose fault it is that there is no file."""
    try:
        yield
    except (host_locks.Unusable, PermissionError, FileNotFoundError) as error:
        raise errors.HostUnusable(
            image_id, f'{error}; image_conversion_dir and lock_path of '
            '[oslo_concurrency] have to belong to the user of cinder-volume'
        ) from error


def margin(stat: os.statvfs_result) -> int:
    """Bytes that imports leave free on a file system."""
    return min(_MARGIN, stat.f_blocks * stat.f_frsize // _MARGIN_PART)


def allocate(descriptor: int, directory: str, start: int, size: int) -> bool:
    """Take room on the disk for a part of a file; blocks.

    :returns: False when there is too little
    """
    stat = os.statvfs(directory)
    if stat.f_bavail * stat.f_frsize < size + margin(stat):
        return False
    if size == 0:
        return True
    try:
        os.posix_fallocate(descriptor, start, size)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        os.ftruncate(descriptor, start)
        return False
    return True
