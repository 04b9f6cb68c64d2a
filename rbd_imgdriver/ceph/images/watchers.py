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
"""Who has an image open for writing.

Such a client watches the image's header, and everybody sees that.  One that
opened the image read-only cannot be seen.
"""

from typing import Any


def count(image: Any) -> int:
    """How many watches an open image has; ours is one if it is writable.

    :param image: the open ``rbd.Image``
    :raises rbd.ImageNotFound: when it has been removed
    """
    return sum(1 for _ in image.watchers_list())
