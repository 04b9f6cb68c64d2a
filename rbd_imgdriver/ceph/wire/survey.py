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
"""The same question to many headers, with many answers under way at a time.

All functions take an open I/O context and block.
"""

from collections.abc import Callable
from collections.abc import Iterable
import errno
import itertools
import struct
from typing import Any

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.wire import encoding
from rbd_imgdriver.ceph.wire import header

_AT_ONCE = 128
_REPLY = 16 * 1024


def sizes(ioctx: Any, ids: Iterable[str]) -> dict[str, int]:
    """The sizes of images in bytes, by id; those that are gone left out."""
    query = struct.pack('<Q', header.HEAD)
    return {id_: struct.unpack('<BQ', reply[:9])[1] for id_, reply
            in _ask(ioctx, ids, 'get_size', query).items()}


def snapshots(ioctx: Any,
              ids: Iterable[str]) -> dict[str, list[header.Snapshot]]:
    """The snapshots of images by id, the oldest first.

    Those in the snapshot trash, and images without any, are left out.
    """
    found = {}
    contexts = _ask(ioctx, ids, 'get_snapcontext', b'')
    for id_, reply in contexts.items():
        some = [one for number in reversed(_snapshot_ids(reply))
                if (one := _snapshot(ioctx, id_, number)) is not None
                and not one.trashed]
        if some:
            found[id_] = some
    return found


def _snapshot(ioctx: Any, id_: str, number: int) -> header.Snapshot | None:
    try:
        return header.snapshot(ioctx, id_, number)
    except errors.SnapshotNotFound:
        return None  # removed meanwhile


def _snapshot_ids(reply: bytes) -> list[int]:
    reader = encoding.Reader(reply)
    reader.uint64()
    return [reader.uint64() for _ in range(reader.uint32())]


def _ask(ioctx: Any, ids: Iterable[str], method: str,
         query: bytes) -> dict[str, bytes]:
    """The answers of the ``rbd`` object class, by image id."""
    found: dict[str, bytes] = {}
    subject = f'{method} of image id '

    def keep(id_: str) -> Callable[[Any, bytes | None], None]:
        def complete(_: Any, reply: bytes | None) -> None:
            found[id_] = bytes(reply or b'')
        return complete

    remaining = iter(ids)
    while some := list(itertools.islice(remaining, _AT_ONCE)):
        with errors.translated(f'{subject}{some[0]} and others'):
            asked = [(id_, ioctx.aio_execute(
                f'rbd_header.{id_}', 'rbd', method, query, _REPLY,
                oncomplete=keep(id_))) for id_ in some]
            for _, completion in asked:
                completion.wait_for_complete_and_cb()
        for id_, completion in asked:
            result = completion.get_return_value()
            if result < 0:
                found.pop(id_, None)
                if result != -errno.ENOENT:
                    raise errors.of_code(f'{subject}{id_}', result)
    return found
