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
"""Names and the random ids behind them.

librbd gives each new image an id with 32 random bits and leaves a collision
to its caller: Ceph's class for the directory (``dir_add_image`` in
src/cls/rbd/cls_rbd.cc) then answers EBADF.  In a pool of 100,000 images one
creation in 43,000 meets that.
"""

from collections.abc import Callable

from rbd_imgdriver.ceph import errors

_ATTEMPTS = 3


def with_free_id(make: Callable[[], None]) -> None:
    """Make an image; again when librbd drew the id of another image.

    :param make: makes it; librbd undoes what came before the collision
    :raises errors.IdTaken: when that happens several times in a row, which
        is no chance
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return make()
        except errors.IdTaken:
            pass
    return make()
