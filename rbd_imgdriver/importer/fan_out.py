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
"""Data that passes by, through several hands at once."""

from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterable
from collections.abc import Sequence
from typing import TypeVar

from rbd_imgdriver import blocking

_T = TypeVar('_T')

# Batches that may wait for one of the hands.  With what the writer has on
# its way this bounds the memory of an import.
_DEPTH = 6


def pouring(batches: Iterable[_T],
            hands: Sequence[Callable[[_T], object]]) -> Generator[_T]:
    """Pass batches on, and give each to every hand on the way.

    Each hand works in a native thread of its own, behind a short queue: the
    slowest sets the pace.  Who does not read to the end has to close the
    generator.

    :param hands: called with each batch in order; they must not log
    :returns: the batches; when the last is taken, the hands are done
    :raises BaseException: what the source or a hand raised
    """
    workers = [blocking.Worker(hand, _DEPTH) for hand in hands]
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
