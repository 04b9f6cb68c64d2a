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
"""Images that are being made, under names that nobody reads."""

from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
from typing import NoReturn

from rbd_imgdriver.ceph import parts
from rbd_imgdriver import errors
from rbd_imgdriver.importer import copying
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from rbd_imgdriver import undo


class Partial:
    """An image that is being made.

    :param image_id: Glance's, for errors
    :param name: of the image until it is whole
    :param order: log2 of the object size in bytes
    :param limit: bytes of the volume
    :param size: bytes of the RBD image, or None for what the disk inside
        needs in whole GiB
    """

    def __init__(self, image_id: str, pool: parts.Pool, name: str,
                 order: int, limit: int, size: int | None) -> None:
        self.pool = pool
        self.name = name
        self.size = size or 0
        self._image_id = image_id
        self._order = order
        self._limit = limit
        self._wanted = size

    @contextlib.contextmanager
    def made(self, needed: int | None,
             metadata: Mapping[str, str]) -> Iterator[None]:
        """Make the image, and remove it again if the context fails.

        As long as the context lasts no sweep takes it for a dead one.

        :param needed: bytes of the disk inside, as far as known
        :raises ceph_errors.ImageExists: when the name is taken
        """
        self.size = self._size_for(needed or 0)
        id_ = self.pool.images.create(self.name, self.size, self._order,
                                      metadata, id_key=temporary.MARK)
        with undo.on_error(f'image {self.name}, for the sweep',
                           lambda: self.pool.images.remove(self.name, id_)), \
                temporary.held(self.pool, self.name):
            yield

    def fit(self, needed: int) -> None:
        """Give the image the size that a disk needs.

        :raises errors.ImageTooLarge: when the volume cannot hold it
        :raises errors.ImageEmpty: when there is no byte
        """
        check_fits(self._image_id, needed, self._limit)
        if not needed:
            refuse_empty(self._image_id)
        size = self._size_for(needed)
        if size != self.size:
            self.pool.images.resize(self.name, size)
            self.size = size

    def enlarge(self, more: int) -> None:
        """Make the image larger than it was to be, by ``more`` bytes."""
        self.size += more
        self.pool.images.resize(self.name, self.size)

    @contextlib.contextmanager
    def writing(self) -> Iterator[parts.Writer]:
        """Open the image for writing, and write all out at the end.

        The writer's methods must be called in a native thread.
        """
        with copying.writing(self.pool, self.name) as opened:
            yield opened

    def note(self, progress: str) -> None:
        """Say on the image how far its import is."""
        self.pool.headers.update(self.name, {model.PROGRESS_KEY: progress})

    def finish(self) -> None:
        """The image is whole: check its layout and forget its progress."""
        self.pool.data.check_layout(self.name, self.size, self._order)
        self.pool.headers.update(self.name, {},
                                  remove=[model.PROGRESS_KEY])

    def _size_for(self, needed: int) -> int:
        if self._wanted is not None:
            return self._wanted
        return model.whole_gib(needed)


def check_fits(image_id: str, needed: int, limit: int) -> None:
    """Whether a volume is large enough for a disk.

    :raises errors.ImageTooLarge: when it is not
    """
    if needed > limit:
        raise errors.ImageTooLarge(
            image_id, f'its disk has {needed} bytes and the volume only '
            f'{limit}; it needs one of at least {model.gib_for(needed)} GiB')


def refuse_empty(image_id: str) -> NoReturn:
    """RBD clones no image of 0 bytes, and a volume of none helps nobody.

    Nova makes such images of servers that boot from a volume; they stand for
    snapshots.

    :raises errors.ImageEmpty: always
    """
    raise errors.ImageEmpty(
        image_id, 'the disk in it has 0 bytes; if it is the image of a server '
        'that boots from a volume, create the volume from the snapshot that '
        'its block_device_mapping names')
