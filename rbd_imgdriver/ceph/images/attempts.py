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
"""What one call of ours has made: to go on with it or undo it, and no more.

A call may end in the middle: its client is blocklisted, or an answer does not
come in time although the operation was carried out.  A name does not say
whose an image is; what was there before the call began is never touched.
"""

from collections.abc import Callable
import dataclasses
from typing import Any

import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.wire import directory


@dataclasses.dataclass
class Attempt:
    """One call, over the second try that a blocklisted client gets.

    :param name_was_free: whether it has seen that there was no image of the
        new one's name
    :param image_id: of the image that it has made
    :param snapshots: ids of the snapshots that were there before it
    """

    name_was_free: bool = False
    image_id: str | None = None
    snapshots: frozenset[int] | None = None

    def claim(self, ioctx: Any, name: str,
              is_ours: Callable[[str], bool]) -> None:
        """Make sure that a name is free.

        What the first try has left there is removed: it may be half done.

        :param is_ours: called with the id of an image that has appeared since
            the call began whether this call can have made it
        :raises errors.ImageExists: when somebody else has an image there
        """
        if self.name_was_free:
            self.undo(ioctx, name, is_ours)
        if directory.id_of(ioctx, name) is not None:
            raise errors.ImageExists(f'image {name} exists already')
        self.name_was_free = True

    def undo(self, ioctx: Any, name: str,
             is_ours: Callable[[str], bool]) -> None:
        """Remove what this call has made, whether or not it knows its id.

        :param is_ours: as for :meth:`claim`
        """
        found = directory.id_of(ioctx, name)
        if found is not None and (found == self.image_id or is_ours(found)):
            remove(ioctx, name, found)


def remove(ioctx: Any, name: str, id_: str) -> None:
    """Remove an image that was made; absent is as good as removed.

    librbd removes by name only, so the id is compared right before.

    :param id_: of the image that was made; another one is left alone
    """
    if directory.id_of(ioctx, name) != id_:
        return
    with errors.translated(f'removal of {name}'):
        try:
            rbd.RBD().remove(ioctx, name)
        except rbd.ImageNotFound:
            return
