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
"""

from typing import Any

import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import ancestry
from rbd_imgdriver.ceph.images import attempts
from rbd_imgdriver.ceph.images import inheritance
from rbd_imgdriver.ceph.images import lifecycle
from rbd_imgdriver.ceph.images import object_maps
from rbd_imgdriver.ceph.images import snapshots
from rbd_imgdriver.ceph.images import unchanged
from rbd_imgdriver.ceph.images import usage
from rbd_imgdriver.ceph import native
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver import undo


class Copies(native.Part):
    """Copies of the heads of a pool's images."""

    def head(self, image: str, target: str, name: str) -> str:
        """Copy an image's head, with holes and metadata, without snapshots.

        Where its parent can have another clone, only the image's own objects
        are copied and the copy is a clone of the same parent; else the copy
        is one flat image.  Whoever writes to the image meanwhile gets a copy
        of no single moment.  On failure nothing of the copy is left, unless
        Ceph no longer answers.

        :param target: name of the copy's pool, of the same cluster
        :returns: the id of the copy
        :raises errors.ImageNotFound: when there is no such image
        :raises errors.ImageExists: when the copy's name is taken
        """
        return self._head(image, target, name, attempts.Attempt())

    @native.in_native_thread
    def _head(self, image: str, target: str, name: str,
              attempt: attempts.Attempt) -> str:
        source, shared = self._ioctx, self._can_share_parent(image)
        with errors.translated(f'opening of {image}'):
            opened = rbd.Image(source, image, read_only=True)
        with opened:
            return _copy(opened, source, self.cluster.ioctx(target), name,
                         shared, attempt)

    def unused_head(self, image: str, name: str,
                    most: int | None = None) -> str | None:
        """Copy an image's head within the pool unless somebody writes to it.

        See :meth:`head`; :mod:`.unchanged` says how it is known that nobody
        has written to it between the first byte and the last.

        :param most: own bytes of the image that may be copied; None for any
            number, its parent's included
        :returns: the id of the copy; None, and no copy, when somebody may
            have written to the image meanwhile, or when more bytes would
            have to be copied
        """
        return self._unused_head(image, name, most, attempts.Attempt())

    @native.in_native_thread
    def _unused_head(self, image: str, name: str, most: int | None,
                     attempt: attempts.Attempt) -> str | None:
        shared = self._can_share_parent(image)
        if most is not None and not shared:
            return None
        ioctx = self._ioctx
        with errors.translated(f'opening of {image}'):
            opened = rbd.Image(ioctx, image, read_only=True)
        with self._private_ioctx() as private, opened:
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

    @native.in_native_thread
    def drop_inherited(self, image: str) -> None:
        """Remove the metadata that describe what an image was copied from."""
        ioctx = self._ioctx
        inheritance.drop_inherited(ioctx, header.image_id(ioctx, image))

    def _can_share_parent(self, image: str) -> bool:
        ioctx = self._ioctx
        ref = header.parent(ioctx, header.image_id(ioctx, image))
        return ref is None or ancestry.can_be_cloned(self.cluster, ref)


def _is_small(image: Any, most: int | None) -> bool:
    return most is None or usage.used_by(image) <= most


def _copy(opened: Any, source: Any, target: Any, name: str, shared: bool,
          attempt: attempts.Attempt) -> str:
    def make() -> None:
        with errors.translated(f'copy to {name}'):
            # Those of the source, and what a flatten has switched off.
            features = (opened.features()
                        | object_maps.noted(source, opened.id()))
            if shared:
                opened.deep_copy(target, name, features=features)
            else:
                opened.copy(target, name, features=features)

    def is_ours(id_: str) -> bool:
        parent = header.parent_spec(source, opened.id()) if shared else None
        return (header.size(target, id_)[0] == opened.size()
                and header.parent_spec(target, id_) == parent)

    def undo_copy() -> None:
        found = directory.id_of(target, name)
        if found is not None and is_ours(found):
            snapshots.drop_where(target, found, lambda _: True)
        attempt.undo(target, name, is_ours)

    attempt.claim(target, name, is_ours)
    try:
        lifecycle.with_free_id(make)
    except errors.ImageExists:
        raise  # whoever was faster, it is not ours to remove
    except errors.CephError:
        with undo.on_error(f'image {name}', undo_copy):
            raise
    id_ = attempt.image_id = header.image_id(target, name)
    with undo.on_error(f'image {name}', undo_copy):
        if header.snapshot_ids(target, id_):
            snapshots.drop_where(target, id_, lambda _: True)
    return id_
