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

"""A pool full of images that are directory entries and headers alone.

What librbd writes for a blank image of the feature *layering*: ``rbd_id``,
the header and two keys in the omap of the directory; so librbd opens them as
it opens any image.  To have librbd make 100,000 takes half an hour and more.
"""

from __future__ import annotations

from collections.abc import Iterable
import itertools
import struct
from typing import Any
import uuid

import rados

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.wire import encoding

GIB = 2**30
_AT_ONCE = 256
_LAYERING = 1  # RBD_FEATURE_LAYERING
_ORDER = 22


def add(ioctx: Any, count: int, snapshots: int = 0) -> dict[str, str]:
    """Add blank images of 1 GiB; their ids by name.

    :param snapshots: how many each of them has
    :raises rbd_imgdriver.ceph.errors.CephError: when Ceph refuses
    :raises rados.Error: likewise
    """
    ids = {f'volume-{uuid.uuid4()}': uuid.uuid4().hex[:20]
           for _ in range(count)}
    _together((f'id of {name}', ioctx.aio_write_full(
        f'rbd_id.{name}', encoding.text(id_))) for name, id_ in ids.items())
    _together((f'header of {name}', ioctx.aio_execute(
        _header(id_), 'rbd', 'create', _created(id_)))
        for name, id_ in ids.items())
    add_snapshots(ioctx, ids.values(), range(snapshots))
    entries = iter(ids.items())
    while some := list(itertools.islice(entries, _AT_ONCE)):
        _enter(ioctx, some)
    return ids


def add_snapshots(ioctx: Any, ids: Iterable[str],
                  numbers: Iterable[int]) -> None:
    """Give images snapshots, as far as the header is concerned.

    :param numbers: from 0; one that is at most the number of another that
        the image has is refused
    """
    numbers = list(numbers)
    for id_ in ids:
        for start in range(0, len(numbers), _AT_ONCE):
            with rados.WriteOpCtx() as op:
                for number in numbers[start:start + _AT_ONCE]:
                    op.execute('rbd', 'snapshot_add', encoding.text(
                        f'snapshot-{uuid.uuid4()}')
                        + struct.pack('<Q', number + 1))
                ioctx.operate_write_op(op, _header(id_))


def _created(id_: str) -> bytes:
    """The argument of ``create`` in src/cls/rbd/cls_rbd.cc."""
    return (struct.pack('<QBQ', GIB, _ORDER, _LAYERING)
            + encoding.text(f'rbd_data.{id_}') + struct.pack('<q', -1))


def _header(id_: str) -> str:
    return f'rbd_header.{id_}'


def _together(begun: Iterable[tuple[str, Any]]) -> None:
    """Have operations done, some of them at a time.

    :param begun: what each is, for people, and its completion
    """
    remaining = iter(begun)
    while some := list(itertools.islice(remaining, _AT_ONCE)):
        for subject, completion in some:
            completion.wait_for_complete()
            result = completion.get_return_value()
            if result < 0:
                raise errors.of_code(subject, result)


def _enter(ioctx: Any, images: Iterable[tuple[str, str]]) -> None:
    """What ``dir_add_image`` of the class writes, for many at once."""
    pairs = [pair for name, id_ in images for pair in (
        (f'name_{name}', encoding.text(id_)),
        (f'id_{id_}', encoding.text(name)))]
    with rados.WriteOpCtx() as op:
        ioctx.set_omap(op, tuple(key for key, _ in pairs),
                       tuple(value for _, value in pairs))
        ioctx.operate_write_op(op, 'rbd_directory')
