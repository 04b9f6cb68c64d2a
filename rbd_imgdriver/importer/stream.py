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
"""One pass over an image's bytes, through several hands at once."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

from rbd_imgdriver import blocking

# Batches that may wait for one of the hands.  With what the writer has in
# flight this bounds the memory of an import.
DEPTH = 8


def pour(batches: Iterable[bytes],
         hands: Sequence[Callable[[bytes], object]],
         watch: Callable[[bytes], None]) -> int:
    """Give every batch to every hand, each in a native thread of its own.

    :param hands: called with each batch in order; they must not log
    :param watch: called with each batch in the caller's thread, before
    :returns: bytes that passed
    :raises BaseException: what the source, a hand or the watch raised
    """
    passed = 0
    workers = [blocking.Worker(hand, DEPTH) for hand in hands]
    try:
        for batch in batches:
            watch(batch)
            for worker in workers:
                worker.put(batch)
            passed += len(batch)
        for worker in workers:
            worker.finish()
    except BaseException:
        for worker in workers:
            worker.abandon()
        raise
    return passed
