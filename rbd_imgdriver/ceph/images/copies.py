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
"""Copies of an image's head that share as much as the source shares.

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

from typing import Any

import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import attempts
from rbd_imgdriver.ceph.images import ids
from rbd_imgdriver.ceph.images import removal
from rbd_imgdriver.ceph.images import unchanged
from rbd_imgdriver.ceph.images import usage
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver import undo


def copy_head(source: Any, image: str, target: Any, name: str,
              shared: bool, attempt: attempts.Attempt) -> str:
    """Copy an image's head, with holes and metadata, without snapshots.

    Whoever writes to the image meanwhile gets a copy of no single moment.
    On failure nothing of the copy is left, unless Ceph no longer answers.

    :param source: I/O context of the image's pool
    :param target: I/O context of the copy's pool
    :param shared: copy only the image's own objects and make the copy a
        clone of the same parent, whose snapshot must not be in the trash;
        False copies all into one flat image
    :returns: the id of the copy
    :raises errors.ImageNotFound: when there is no such image
    :raises errors.ImageExists: when the copy's name is taken
    """
    with errors.translated(f'opening of {image}'):
        opened = rbd.Image(source, image, read_only=True)
    with opened:
        return _copy(opened, source, target, name, shared, attempt)


def copy_unused_head(ioctx: Any, private: Any, image: str, name: str,
                     shared: bool, most: int | None,
                     attempt: attempts.Attempt) -> str | None:
    """Copy an image's head within its pool unless somebody writes to it.

    See :func:`copy_head`; :mod:`unchanged` says how it is known that nobody
    has written to it between the first byte and the last.

    :param private: an I/O context of the pool that no other thread uses
    :param most: bytes that may be copied; None for any number
    :returns: the id of the copy; None, and no copy, when somebody may have
        written to the image meanwhile, or when more bytes would have to be
        copied
    """
    with errors.translated(f'opening of {image}'):
        opened = rbd.Image(ioctx, image, read_only=True)
    with opened:
        with errors.translated(f'usage of {image}'):
            version = unchanged.idle_version(private, opened)
            if version is None or not _is_small(opened, most):
                return None
        id_ = _copy(opened, ioctx, ioctx, name, shared, attempt)
        with undo.on_error(f'image {name}',
                           lambda: attempts.remove(ioctx, name, id_)):
            if unchanged.map_version(private, opened.id()) == version:
                return id_
    attempts.remove(ioctx, name, id_)
    return None


def _is_small(image: Any, most: int | None) -> bool:
    return most is None or usage.used_by(image) <= most


def _copy(opened: Any, source: Any, target: Any, name: str, shared: bool,
          attempt: attempts.Attempt) -> str:
    def make() -> None:
        with errors.translated(f'copy to {name}'):
            if shared:
                opened.deep_copy(target, name)
            else:
                opened.copy(target, name)

    def is_ours(id_: str) -> bool:
        parent = header.parent_spec(source, opened.id()) if shared else None
        return (header.size(target, id_)[0] == opened.size()
                and header.parent_spec(target, id_) == parent)

    def undo_copy() -> None:
        found = directory.id_of(target, name)
        if found is not None and is_ours(found):
            removal.drop_snapshots(target, found, lambda _: True)
        attempt.undo(target, name, is_ours)

    attempt.claim(target, name, is_ours)
    try:
        ids.with_free_id(make)
    except errors.ImageExists:
        raise  # whoever was faster, it is not ours to remove
    except errors.CephError:
        with undo.on_error(f'image {name}', undo_copy):
            raise
    id_ = attempt.image_id = header.image_id(target, name)
    with undo.on_error(f'image {name}', undo_copy):
        if header.snapshot_ids(target, id_):
            removal.drop_snapshots(target, id_, lambda _: True)
    return id_
