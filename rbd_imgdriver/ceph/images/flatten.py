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
"""Flattening: copying what a clone reads from its parent into the clone.

Only an image that nobody else has open is flattened, and without its object
map (:mod:`object_maps` says why).  A client that opens it meanwhile is not
kept waiting: when it writes, librbd gives it the exclusive lock and with that
the flatten, which nobody can end from outside then.  That does no harm, since
the map is off for that client as well; it is switched on again when the image
is closed.

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

import errno
import time
from typing import Any

import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import object_maps
from rbd_imgdriver.ceph.images import watchers
from rbd_imgdriver import undo


class Progress:
    """How far a flatten is, and the wish to end it.

    One thread flattens, others look and may cancel; plain attributes do.

    :ivar done: objects looked at
    :ivar total: objects to look at, 0 until it has begun
    :ivar cancelled: set it to stop the flatten at the next object
    :ivar hurried: set it, too, when somebody waits for the image: object
        maps stay off then, for a later try
    :ivar valid_until: when, by the monotonic clock in seconds, the work may
        no longer go on because somebody else may have begun it
    """

    def __init__(self) -> None:
        self.done = 0
        self.total = 0
        self.cancelled = False
        self.hurried = False
        self.valid_until = float('inf')

    @property
    def percent(self) -> int:
        """Whole percents."""
        return 100 * self.done // self.total if self.total else 0

    @property
    def is_valid(self) -> bool:
        """Whether nobody else can have begun the same work."""
        return time.monotonic() < self.valid_until

    def stop(self) -> None:
        """End the work: somebody waits for the image."""
        self.hurried = self.cancelled = True

    def __call__(self, done: int, total: int) -> int:
        """librbd's progress callback: a negative number stops it."""
        self.done = done
        self.total = total
        return self._answer()

    def check(self, what: str) -> None:
        """Stop before the next step.

        :raises errors.Cancelled: when the work must not go on
        """
        if self._answer():
            raise errors.Cancelled(f'{what} was ended early')

    def _answer(self) -> int:
        go_on = self.is_valid and not self.cancelled
        return 0 if go_on else -errno.ECANCELED


def flatten(ioctx: Any, id_: str, progress: Progress, is_new: bool = False,
            features: int = 0) -> None:
    """Flatten an image; one that has no parent is flat already.

    What was copied before it was cancelled is not copied again.

    :param id_: the image's internal id; names change meanwhile
    :param is_new: whether it is a volume that is just being made: whoever
        has that open is not a guest, and does not keep it from being made
    :param features: object-map features that the image is to have
        afterwards, beside those that it has
    :raises errors.ImageNotFound: when there is no such image
    :raises errors.ImageBusy: when a client has it open for writing
    :raises errors.Cancelled: when ``progress`` asked for it
    """
    with errors.translated(f'flatten of image id {id_}'), \
            rbd.Image(ioctx, image_id=id_) as image:
        if not is_new:
            _check_alone(image, id_)
        if _has_parent(image):
            features |= (object_maps.noted(ioctx, id_)
                         | image.features() & object_maps.FEATURES)
            if features:
                object_maps.note(ioctx, id_, features)
            with undo.on_error(
                    f'switched off object map of image id {id_}',
                    lambda: _finish(ioctx, image, features, progress)):
                progress.check(f'flatten of image id {id_}')
                object_maps.switch_off(image)
                # For a client that has opened it since the first look; a
                # later one finds the map switched off.
                if not is_new:
                    _check_alone(image, id_)
                _flatten(image, progress)
            _finish(ioctx, image, features, progress)
            return
    restore_object_maps(ioctx, id_, progress)


def restore_object_maps(ioctx: Any, id_: str, progress: Progress) -> None:
    """Switch on what a flatten that was ended early has left switched off.

    :raises errors.ImageBusy: when a client has the image open for writing
    """
    features = object_maps.noted(ioctx, id_)
    if not features:
        return
    with errors.translated(f'object map of image id {id_}'), \
            rbd.Image(ioctx, image_id=id_) as image:
        _check_alone(image, id_)
        if progress.is_valid and not progress.hurried:
            object_maps.switch_on(ioctx, image, features)


def _flatten(image: Any, progress: Progress) -> None:
    try:
        image.flatten(on_progress=progress)
    except rbd.InvalidArgument:
        if _has_parent(image):
            raise


def _finish(ioctx: Any, image: Any, features: int,
            progress: Progress) -> None:
    """Switch the maps on again, unless that has to wait.

    Only while the lock that was taken with switching them off is still ours,
    which the OSD is asked: so nobody else works on the image, not even after
    this process was suspended.
    """
    if not features or progress.hurried or not progress.is_valid:
        return
    if _is_alone(image) and image.is_exclusive_lock_owner():
        object_maps.switch_on(ioctx, image, features)


def _check_alone(image: Any, id_: str) -> None:
    if not _is_alone(image):
        raise errors.ImageBusy(f'image id {id_} is open on a client')


def _is_alone(image: Any) -> bool:
    """Whether ours is the only watch, which is there while it is open."""
    return watchers.count(image) <= 1


def _has_parent(image: Any) -> bool:
    try:
        image.get_parent_image_spec()
    except rbd.ImageNotFound:
        return False
    return True
