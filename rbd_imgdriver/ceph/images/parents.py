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

"""What is known of snapshots that were cloned before.

Only what cannot change is kept: an image has one object size for all its
life, and a snapshot one size.  Which image has a name can change; so what is
known by a name counts only if the clone, when it is there, names the very
same snapshot of the very same image.
"""

from collections.abc import Hashable
import dataclasses
from typing import Any

from rbd_imgdriver.ceph.wire import header

_MOST = 1024


@dataclasses.dataclass(frozen=True)
class Parent:
    """A snapshot that has clones.

    :param ref: the snapshot, by ids
    :param order: log2 of the object size of its image in bytes
    :param size: of the snapshot in bytes
    """

    ref: header.ParentRef
    order: int
    size: int

    @property
    def objects(self) -> tuple[str, int]:
        """The id of its image, and the order of that."""
        return self.ref.image_id, self.order


class AnotherParent(Exception):
    """A name leads to another snapshot than it did."""


def objects(ioctx: Any, image: str) -> tuple[str, int]:
    """The id of an image, and the order of its object size.

    :raises errors.ImageNotFound: when there is no image of that name
    """
    id_ = header.image_id(ioctx, image)
    return id_, header.size(ioctx, id_)[1]


class Parents:
    """The snapshots that were cloned last, by what they are called.

    May be used by several threads.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, Parent] = {}

    def get(self, name: Hashable) -> Parent | None:
        """What was known when it was cloned last."""
        return self._known.get(name)

    def note(self, name: Hashable, parent: Parent | None) -> None:
        """Remember it for the next clone; None: forget it."""
        if len(self._known) >= _MOST:
            self._known = {}
        if parent is None:
            self._known.pop(name, None)
        else:
            self._known[name] = parent
