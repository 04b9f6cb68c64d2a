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
"""The same question to many headers, with several under way at a time.

One after another they take 0.2 ms each, mostly waiting.  librados' own way to
have many calls of an object class under way (``rados_aio_exec``) writes an
answer beyond the end of the room that it was given for it, and the process
aborts; so that is for answers of a fixed length, and threads are for others.

All functions take an open I/O context and block.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Sequence
import errno
import itertools
import struct
from typing import Any

from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.wire import calls
from rbd_imgdriver.ceph.wire import encoding
from rbd_imgdriver.ceph.wire import header

_AT_ONCE = 128
_THREADS = 8
# Of most answers of any length: 60 snapshots, or the record of a create.
_ROOM = 512
_SIZE = struct.Struct('<BQ')  # the answer of get_size


def sizes(ioctx: Any, ids: Collection[str]) -> dict[str, int]:
    """The sizes of images in bytes, by id; those that are gone left out."""
    query = struct.pack('<Q', header.HEAD)
    found: dict[str, int] = {}
    remaining = iter(ids)
    while some := list(itertools.islice(remaining, _AT_ONCE)):
        found.update({id_: _SIZE.unpack(answer)[1] for id_, answer in
                      _fixed(ioctx, some, 'get_size', query, _SIZE.size)})
    return found


def values(ioctx: Any, ids: Collection[str], key: str) -> dict[str, str]:
    """The values of one metadata key by image id, where there is one."""
    query = encoding.text(key)
    answers = _answers(ioctx, 'metadata_get', [(id_, query) for id_ in ids])
    return {id_: encoding.Reader(answer).text()
            for id_, answer in zip(ids, answers, strict=True)
            if answer is not None}


def snapshot_ids(ioctx: Any,
                 ids: Collection[str]) -> dict[str, tuple[int, ...]]:
    """The ids of the snapshots of images by image id, newest first.

    Those in the snapshot trash count; images that are gone are left out.
    """
    answers = _answers(ioctx, 'get_snapcontext', [(id_, b'') for id_ in ids])
    return {id_: header.decoded_snapshot_ids(answer)
            for id_, answer in zip(ids, answers, strict=True)
            if answer is not None}


def snapshots(ioctx: Any,
              ids: Collection[str]) -> dict[str, list[header.Snapshot]]:
    """The snapshots of images by id, the oldest first.

    Those in the snapshot trash, and images without any, are left out.
    """
    pairs = [(id_, number)
             for id_, numbers in snapshot_ids(ioctx, ids).items()
             for number in reversed(numbers)]
    answers = _answers(ioctx, 'snapshot_get', [
        (id_, struct.pack('<Q', number)) for id_, number in pairs])
    found: dict[str, list[header.Snapshot]] = {}
    for (id_, number), answer in zip(pairs, answers, strict=True):
        if answer is None:
            continue  # removed meanwhile
        one = header.decoded_snapshot(number, answer)
        if not one.trashed:
            found.setdefault(id_, []).append(one)
    return found


def _answers(ioctx: Any, method: str,
             questions: Sequence[tuple[str, bytes]]) -> list[bytes | None]:
    """What the ``rbd`` object class answers, in the order of the questions.

    :param questions: an image's id and the method's argument, each
    :returns: None where there is no such image, or not what was asked for
    """
    def ask(question: tuple[str, bytes]) -> bytes | None:
        id_, query = question
        try:
            return calls.call(ioctx, header.object_of(id_), method, query,
                              room=_ROOM)
        except errors.ImageNotFound:
            return None

    return blocking.at_once(ask, questions, _THREADS)


def _fixed(ioctx: Any, ids: Sequence[str], method: str, query: bytes,
           length: int) -> list[tuple[str, bytes]]:
    """Answers of exactly ``length`` bytes; missing images are left out."""
    replies: dict[str, bytes] = {}

    def keep(id_: str) -> Callable[[Any, bytes | None], None]:
        def complete(_: Any, reply: bytes | None) -> None:
            replies[id_] = bytes(reply or b'')
        return complete

    with errors.translated(f'{method} of image id {ids[0]} and others'):
        asked = [ioctx.aio_execute(header.object_of(id_), 'rbd', method, query,
                                   length, oncomplete=keep(id_))
                 for id_ in ids]
        for completion in asked:
            completion.wait_for_complete_and_cb()
    found = []
    for id_, completion in zip(ids, asked, strict=True):
        result = completion.get_return_value()
        if result >= 0:
            found.append((id_, replies[id_]))
        elif result != -errno.ENOENT:
            raise errors.of_code(f'{method} of image id {id_}', result)
    return found
