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

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

import errno
from typing import Any

import rbd

from rbd_imgdriver.ceph import errors


class Progress:
    """How far a flatten is, and the wish to end it.

    One thread flattens, others look and may cancel; plain attributes do.

    :ivar done: objects looked at
    :ivar total: objects to look at, 0 until it has begun
    :ivar cancelled: set it to stop the flatten at the next object
    """

    def __init__(self) -> None:
        self.done = 0
        self.total = 0
        self.cancelled = False

    @property
    def percent(self) -> int:
        """Whole percents."""
        return 100 * self.done // self.total if self.total else 0

    def __call__(self, done: int, total: int) -> int:
        """librbd's progress callback: a negative number stops it."""
        self.done = done
        self.total = total
        return -errno.ECANCELED if self.cancelled else 0


def flatten(ioctx: Any, id_: str, progress: Progress) -> None:
    """Flatten an image; one that has no parent is flat already.

    What was copied before it was cancelled is not copied again.

    :param id_: the image's internal id; names change meanwhile
    :raises errors.ImageNotFound: when there is no such image
    :raises errors.Cancelled: when ``progress`` asked for it
    """
    with errors.translated(f'flatten of image id {id_}'), \
            rbd.Image(ioctx, image_id=id_) as image:
        try:
            image.flatten(on_progress=progress)
        except rbd.InvalidArgument:
            if _has_parent(image):
                raise


def _has_parent(image: Any) -> bool:
    try:
        image.get_parent_image_spec()
    except rbd.ImageNotFound:
        return False
    return True
