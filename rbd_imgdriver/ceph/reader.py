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
"""Reading an image from its beginning to its end."""

from typing import Any

import rbd

from rbd_imgdriver.ceph import errors


class Reader:
    """Reads a snapshot.  All methods block.

    :param ioctx: of the image's pool
    """

    def __init__(self, ioctx: Any, image: str, snapshot: str) -> None:
        self._subject = f'reading of {image}@{snapshot}'
        with errors.translated(self._subject):
            self._image = rbd.Image(ioctx, image, snapshot=snapshot,
                                    read_only=True)
            self.size = int(self._image.size())

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``; none at the end."""
        length = min(length, self.size - offset)
        if length <= 0:
            return b''
        with errors.translated(self._subject):
            return bytes(self._image.read(offset, length))

    def close(self) -> None:
        """Close the image."""
        self._image.close()
