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
"""A file that is written and, at its own pace, read again from its beginning.

Hashing is slower than a quick network and than a disk.  What has been written
is in the page cache: to read it there again costs little, while to keep it
would take as much memory as the image has bytes.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import functools
import os

from rbd_imgdriver import blocking
from rbd_imgdriver.importer import spool

_UNBOUNDED = 0

# Where a chunk begins in the file, and how many bytes it has.
_Chunk = tuple[int, int]


class Rereading:
    """Writes a file and lets hands follow.

    Each hand works in a native thread of its own.

    :param file: empty as yet; it has to stay open until all hands are done
    :param hands: called with each chunk in order; they must not log
    """

    def __init__(self, file: spool.Spool,
                 hands: Sequence[Callable[[bytes], object]]) -> None:
        self._file = file
        self._length = 0
        self._workers = [
            blocking.Worker(functools.partial(_give, file.descriptor, hand),
                            _UNBOUNDED)
            for hand in hands]

    def write(self, chunk: bytes) -> None:
        """Append; belongs into a native thread.

        :raises BaseException: what a hand raised for an earlier chunk
        """
        self._file.write(chunk)
        for worker in self._workers:
            worker.put((self._length, len(chunk)))
        self._length += len(chunk)

    def finish(self, waiting: Callable[[], None]) -> None:
        """Wait until the hands have had all that is written.

        :param waiting: called now and then meanwhile
        :raises BaseException: what a hand raised
        """
        for worker in self._workers:
            worker.finish(waiting)

    def abandon(self) -> None:
        """Let the hands stop where they are; never raises."""
        for worker in self._workers:
            worker.abandon()


@contextlib.contextmanager
def rereading(file: spool.Spool,
              hands: Sequence[Callable[[bytes], object]],
              ) -> Iterator[Rereading]:
    """A :class:`Rereading` whose threads end with the context."""
    following = Rereading(file, hands)
    try:
        yield following
    finally:
        following.abandon()


def _give(descriptor: int, hand: Callable[[bytes], object],
          chunk: _Chunk) -> None:
    start, length = chunk
    hand(os.pread(descriptor, length, start))
