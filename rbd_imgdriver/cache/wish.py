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
"""An image that is to be in the cache, and whether it got there."""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses

from rbd_imgdriver.cache import names
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver import model


class CacheUnusable(Exception):
    """The cache cannot take the image; the create goes on without it.

    :param code: short and stable, for example ``cache-full``
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Filled:
    """The golden image is there.

    :param imported: whether this call imported it
    :param bytes_moved: by this call
    """

    golden: str
    imported: bool = False
    bytes_moved: int = 0


@dataclasses.dataclass(frozen=True)
class Encrypting:
    """How a golden ciphertext is made instead of a plain golden image.

    :param golden: its name
    :param plain: a snapshot that holds the image's disk, checked
    :param finish: called with the whole container before it is published;
        returns the metadata that make it a ciphertext
    """

    golden: str
    encryption: luks_header.Encryption
    plain: clones.SnapshotSpec | None
    finish: Callable[[image_importer.Imported], Mapping[str, str]]


@dataclasses.dataclass(frozen=True)
class Wish:
    """An image that is to be in the cache.

    :param limit: bytes of the volume it is for; a larger image is refused
    :param progress: called with (bytes done, bytes to do) if this call
        imports
    :param project: who wants it; None: the image's owner
    :param encrypting: None for a plain golden image
    """

    image: model.Image
    data: model.ImageData
    events: model.Events
    limit: int
    progress: Callable[[int, int], None] | None = None
    project: str | None = None
    encrypting: Encrypting | None = None

    @property
    def golden(self) -> str:
        """The name of the golden image."""
        if self.encrypting is not None:
            return self.encrypting.golden
        return names.golden(self.image)
