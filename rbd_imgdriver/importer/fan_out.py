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
"""One stream of data for several consumers, each in a thread of its own.

:func:`through` passes data on at the pace of the slowest consumer.
:func:`following` writes them to a file that the consumers read again, each at
its own pace: hashing is slower than a quick network and than a disk.  What has
been written is in the page cache, so that reading it there again costs
little, while keeping it would take as much memory as the image has bytes.
"""

from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import functools
import os
from typing import TypeVar

from rbd_imgdriver import blocking
from rbd_imgdriver.importer import spool

_T = TypeVar('_T')

# Called with each piece of data in order, in a native thread: must not log.
Consumer = Callable[[bytes], object]

# Batches that may wait for one of the consumers.  With what the writer has on
# its way this bounds the memory of an import.
_DEPTH = 6
_UNBOUNDED = 0

# Where a chunk begins in the file, and how many bytes it has.
_Chunk = tuple[int, int]


def through(batches: Iterable[_T],
            consumers: Sequence[Callable[[_T], object]]) -> Generator[_T]:
    """Pass batches on, and give each to every consumer on the way.

    Each consumer works behind a short queue.  A caller that does not read to
    the end has to close the generator.

    :returns: the batches; when the last is taken, the consumers are done
    :raises BaseException: what the source or a consumer raised
    """
    workers = [blocking.Worker(one, _DEPTH) for one in consumers]
    try:
        for batch in batches:
            for worker in workers:
                worker.put(batch)
            yield batch
        for worker in workers:
            worker.finish()
    except BaseException:
        for worker in workers:
            worker.abandon()
        raise


class Followed:
    """A file that is written and, as it grows, read by consumers.

    :param file: empty as yet; it has to stay open until all consumers are
        done
    """

    def __init__(self, file: spool.Spool,
                 consumers: Sequence[Consumer]) -> None:
        self._file = file
        self._length = 0
        self._workers = [
            blocking.Worker(functools.partial(_read, file.descriptor, one),
                            _UNBOUNDED)
            for one in consumers]

    def write(self, chunk: bytes) -> None:
        """Append; must be called in a native thread.

        :raises BaseException: what a consumer raised for an earlier chunk
        """
        self._file.write(chunk)
        for worker in self._workers:
            worker.put((self._length, len(chunk)))
        self._length += len(chunk)

    def finish(self, waiting: Callable[[], None]) -> None:
        """Wait until the consumers have had all that is written.

        :param waiting: called now and then meanwhile
        :raises BaseException: what a consumer raised
        """
        for worker in self._workers:
            worker.finish(waiting)

    def abandon(self) -> None:
        """Let the consumers stop where they are; never raises."""
        for worker in self._workers:
            worker.abandon()


@contextlib.contextmanager
def following(file: spool.Spool,
              consumers: Sequence[Consumer]) -> Iterator[Followed]:
    """A :class:`Followed` file whose threads end with the context."""
    followed = Followed(file, consumers)
    try:
        yield followed
    finally:
        followed.abandon()


def _read(descriptor: int, consumer: Consumer, chunk: _Chunk) -> None:
    start, length = chunk
    consumer(os.pread(descriptor, length, start))
