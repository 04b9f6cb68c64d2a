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
"""The trash: images out of sight whose data others still need.

An image in the trash keeps serving its clones, in any pool and of both clone
formats.  With clone format 2 its removed snapshots free themselves with the
last child; the image itself does not: somebody has to remove it.
"""

import json
from typing import Any

import rados
import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import removal
from rbd_imgdriver.ceph.images import snapshots
from rbd_imgdriver.ceph import native
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver.ceph.wire import trash

_SCHEDULE = 'rbd_trash_purge_schedule'
_MOST_SCHEDULES = 64


class Trash(native.Part):
    """The trash of a pool."""

    @native.in_native_thread
    def move(self, image: str, delay: int = 0) -> None:
        """Move an image to the trash; absent is as good as moved.

        An image that a client has open is moved all the same.  Two clients
        may move one image at the same time: the slower one finds that the
        other has finished for it.

        :param delay: seconds before it may be removed
        """
        ioctx = self._ioctx
        id_ = directory.any_id(ioctx, image)
        if id_ is None:
            return
        try:
            with errors.translated(f'move of {image} to the trash'), \
                    removal.alone(ioctx, id_):
                rbd.RBD().trash_move(ioctx, image, delay)
        except errors.ImageNotFound:
            return
        except errors.Stale:
            if directory.listed_id(ioctx, image) is not None:
                raise

    @native.in_native_thread
    def finish_move(self, id_: str) -> None:
        """Finish a move to the trash that was cut short, if there was one."""
        _finish_move(self._ioctx, id_)

    @native.in_native_thread
    def entries(self) -> list[trash.Trashed]:
        """What is in the trash of the pool."""
        return trash.entries(self._ioctx)

    @native.in_native_thread
    def free(self, id_: str, snapshot: str) -> bool:
        """Remove an image from the trash if nothing needs it any more.

        Its snapshot goes first.  Asking again later is always safe.

        :param snapshot: its own; while somebody else's are there, it stays
        :returns: whether it is gone; False while clones need it
        :raises errors.ImageBusy: when another client removes it
        """
        ioctx = self._ioctx
        with errors.translated(f'removal of image id {id_} from the trash'), \
                removal.alone(ioctx, id_) as progress:
            try:
                with rbd.Image(ioctx, image_id=id_) as image:
                    if not _remove_only(ioctx, image, snapshot):
                        return False
                rbd.RBD().trash_remove(ioctx, id_, on_progress=progress)
            except rbd.ImageNotFound:
                return True
            except (rbd.ImageBusy, rbd.ImageHasSnapshots):
                return False
        return True

    @native.in_native_thread
    def remove(self, id_: str) -> bool:
        """Remove an image that has no snapshots from the trash.

        A move to the trash that was cut short is finished first, else librbd
        refuses.

        :returns: whether it is gone; False while snapshots keep it
        :raises errors.PermissionDenied: before its deferment ends
        :raises errors.ImageBusy: when another client removes it
        """
        ioctx = self._ioctx
        _finish_move(ioctx, id_)
        with errors.translated(f'removal of image id {id_} from the trash'), \
                removal.alone(ioctx, id_) as progress:
            try:
                rbd.RBD().trash_remove(ioctx, id_, on_progress=progress)
            except rbd.ImageNotFound:
                return True
            except (rbd.ImageBusy, rbd.ImageHasSnapshots):
                return False
        return True

    @native.in_native_thread
    def purge_intervals(self) -> list[str]:
        """How often Ceph purges the pool's trash, for example ``1d``.

        The manager keeps schedules as JSON in the omap of an object of the
        pool, one key for the pool and one for each of its namespaces
        (src/pybind/mgr/rbd_support/schedule.py).
        """
        ioctx = self._ioctx
        with errors.translated('schedule of trash purges'), \
                rados.ReadOpCtx() as op:
            pairs, _ = ioctx.get_omap_vals(op, '', '', _MOST_SCHEDULES)
            try:
                ioctx.operate_read_op(op, _SCHEDULE)
            except rados.ObjectNotFound:
                return []
            return [one['interval'] for _, value in pairs
                    for one in json.loads(value)]


def _finish_move(ioctx: Any, id_: str) -> None:
    try:
        entry = trash.entry(ioctx, id_)
    except errors.ImageNotFound:
        return
    if entry.is_moving:
        trash.finish_move(ioctx, entry)


def _remove_only(ioctx: Any, image: Any, snapshot: str) -> bool:
    """Remove a snapshot; False, and nothing done, if there are others."""
    found = [one.name for one in header.snapshots(ioctx, image.id())
             if one.is_users]
    if any(name != snapshot for name in found):
        return False
    for name in found:
        snapshots.unprotect_and_remove(image, name)
    return True
