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
"""Images as a whole: made, resized, renamed, removed.

Two of Ceph's peculiarities are met here.

librbd gives each new image an id with 32 random bits and leaves a collision
to its caller: Ceph's class for the directory (``dir_add_image`` in
src/cls/rbd/cls_rbd.cc) then answers EBADF.  In a pool of 100,000 images one
creation in 43,000 meets that.

librbd's exclusive lock of an image stays where librbd could not give it back:
that is a write, which a full pool does not answer.  What is left keeps our
own client from removing the image; any other client would break the lock and
have ours blocklisted.
"""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import attempts
from rbd_imgdriver.ceph.images import hold
from rbd_imgdriver.ceph.images import layouts
from rbd_imgdriver.ceph.images import removal
from rbd_imgdriver.ceph.images import watchers
from rbd_imgdriver.ceph import native
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver import undo

_ATTEMPTS = 3


class Images(native.Part):
    """The images of a pool."""

    def create(self, image: str, size: int, order: int,
               metadata: Mapping[str, str] | None = None,
               id_key: str | None = None) -> str:
        """Make an empty image.

        :param size: in bytes
        :param order: log2 of the object size in bytes
        :param metadata: image metadata to set on it
        :param id_key: a key of more metadata, whose value is the image's id
        :returns: the id of the image
        :raises errors.ImageExists: when the name is taken
        """
        return self._create(image, size, order, metadata or {}, id_key,
                            attempts.Attempt())

    @native.in_native_thread
    def _create(self, image: str, size: int, order: int,
                metadata: Mapping[str, str], id_key: str | None,
                attempt: attempts.Attempt) -> str:
        ioctx = self._ioctx

        def make() -> None:
            with errors.translated(f'creation of {self.name}/{image}'):
                rbd.RBD().create(ioctx, image, size, order, old_format=False,
                                 features=layouts.features(self.cluster))

        def is_ours(id_: str) -> bool:
            return (header.size(ioctx, id_) == (size, order)
                    and not header.metadata(ioctx, id_))

        attempt.claim(ioctx, image, is_ours)
        try:
            with_free_id(make)
        except errors.ImageExists:
            raise  # whoever was faster, it is not ours to remove
        except errors.CephError:
            # If it timed out it may have happened all the same.
            with undo.on_error(f'image {image}', lambda: attempt.undo(
                    ioctx, image, is_ours)):
                raise
        id_ = attempt.image_id = header.image_id(ioctx, image)
        with undo.on_error(f'image {image}',
                           lambda: attempts.remove(ioctx, image, id_)):
            header.update_metadata(ioctx, id_, {
                **metadata, **({id_key: id_} if id_key else {})})
        return id_

    @native.in_native_thread
    def resize(self, image: str, size: int) -> None:
        """Set the size of an image in bytes."""
        with errors.translated(f'resize of {self.name}/{image}'), \
                rbd.Image(self._ioctx, image) as opened:
            opened.resize(size)

    def rename(self, image: str, new_name: str) -> None:
        """Rename an image; a name that is taken is refused by Ceph.

        :raises errors.ImageExists: when ``new_name`` is taken
        """
        self._rename(image, new_name, attempts.Attempt())

    @native.in_native_thread
    def _rename(self, image: str, new_name: str,
                attempt: attempts.Attempt) -> None:
        ioctx = self._ioctx
        if attempt.image_id is None:
            attempt.image_id = header.image_id(ioctx, image)
        try:
            with errors.translated(f'rename of {self.name}/{image}'):
                rbd.RBD().rename(ioctx, image, new_name)
        except errors.CephError:
            # It may have happened, in part or by the first try.
            if not directory.finish_rename(ioctx, image, new_name,
                                           attempt.image_id):
                raise

    @native.in_native_thread
    def finish_rename(self, image: str, new_name: str, id_: str) -> bool:
        """Finish a rename whose client died half-way.

        :param id_: of the image
        :returns: whether it has the new name now
        """
        return directory.finish_rename(self._ioctx, image, new_name, id_)

    @native.in_native_thread
    def hold(self, image: str) -> hold.Hold:
        """Keep an image open; the caller has to close what is returned.

        :raises errors.ImageNotFound: when there is none of that name
        """
        return hold.Hold(self._ioctx, image, self.cluster.hold())

    @native.in_native_thread
    def drop_name(self, image: str, id_: str) -> None:
        """Remove a name whose image is gone.

        :param id_: of that image; while it has a header nothing is done
        """
        directory.drop_name(self._ioctx, image, id_)

    @native.in_native_thread
    def remove(self, image: str, id_: str | None = None) -> None:
        """Remove an image; absent is as good as removed.

        librbd moves what it removes to the trash, and puts it back when it
        cannot go on (src/librbd/api/Image.cc).  Of two clients that remove
        one image at once, one may put the name back of what the other has
        removed.  Therefore the name is looked at afterwards.

        :param id_: its id, when only this very image is to be removed:
            another one of that name is left alone
        :raises errors.ImageHasSnapshots: when it has snapshots
        :raises errors.ImageBusy: when a client has it open
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                self._remove_once(image, id_)
            except errors.Stale:
                continue  # another client is removing it, too: look again
            if not directory.is_headless(self._ioctx, image):
                return
        self._remove_once(image, id_)

    def _remove_once(self, image: str, id_: str | None) -> None:
        # Again each time: somebody may have used the name again meanwhile.
        found = directory.any_id(self._ioctx, image)
        if found is None or id_ not in (None, found):
            return
        with errors.translated(f'removal of {self.name}/{image}'), \
                removal.alone(self._ioctx, found) as progress:
            try:
                self._remove(image, progress)
            except (rbd.ImageNotFound, errors.ImageNotFound):
                return

    def _remove(self, image: str,
                progress: Callable[[int, int], int]) -> None:
        try:
            rbd.RBD().remove(self._ioctx, image, on_progress=progress)
        except rbd.ImageBusy:
            client = self.cluster.client().get_instance_id()
            if not _drop_own_locks(self._ioctx, image, client):
                raise
            rbd.RBD().remove(self._ioctx, image, on_progress=progress)


def with_free_id(make: Callable[[], None]) -> None:
    """Make an image; again when librbd drew the id of another image.

    :param make: makes it; librbd undoes what came before the collision
    :raises errors.IdTaken: when that happens several times in a row, which
        is not by chance
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return make()
        except errors.IdTaken:
            pass
    return make()


def _drop_own_locks(ioctx: Any, image: str, client: int) -> bool:
    """Drop locks that our client holds on an image that it does not have open.

    :param client: our client's global id
    :returns: whether there was one
    :raises rbd.Error: when Ceph refuses
    """
    with rbd.Image(ioctx, image, read_only=True) as opened:
        if watchers.count(opened):
            return False
        own = [cookie for holder, cookie, _ in
               (opened.list_lockers() or {}).get('lockers', ())
               if holder == f'client.{client}']
    name = header.object_of(header.image_id(ioctx, image))
    for cookie in own:
        ioctx.unlock(name, header.LOCK, cookie)
    return bool(own)
