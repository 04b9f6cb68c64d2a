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
"""The headers of a pool's images, by name and by id."""

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph import native
from rbd_imgdriver.ceph.wire import header


@dataclasses.dataclass(frozen=True)
class Summary:
    """What one has to know of an image before it is cloned.

    :param metadata: as ``rbd image-meta list`` shows it
    :param is_clone: whether it, or any of its snapshots, has a parent
    """

    metadata: Mapping[str, str]
    is_clone: bool


class Headers(native.Part):
    """The headers of a pool's images."""

    @native.in_native_thread
    def size(self, image: str) -> int:
        """The size of an image's head in bytes."""
        ioctx = self._ioctx
        return header.size(ioctx, header.image_id(ioctx, image))[0]

    @native.in_native_thread
    def metadata(self, image: str) -> dict[str, str]:
        """The metadata of an image."""
        ioctx = self._ioctx
        return header.metadata(ioctx, header.image_id(ioctx, image))

    @native.in_native_thread
    def summary(self, image: str) -> Summary:
        """What one has to know of an image before it is cloned.

        :raises errors.ImageNotFound: when there is no such image
        """
        ioctx = self._ioctx
        id_ = header.image_id(ioctx, image)
        return Summary(header.metadata(ioctx, id_),
                       header.parent_spec(ioctx, id_) is not None)

    @native.in_native_thread
    def metadata_id(self, id_: str) -> dict[str, str]:
        """The metadata of an image, also in the trash; empty when gone."""
        try:
            return header.metadata(self._ioctx, id_)
        except errors.ImageNotFound:
            return {}

    @native.in_native_thread
    def update(self, image: str, values: Mapping[str, str],
               remove: Iterable[str] = ()) -> None:
        """Set and remove metadata of an image in one atomic write."""
        ioctx = self._ioctx
        header.update_metadata(ioctx, header.image_id(ioctx, image), values,
                               remove)

    @native.in_native_thread
    def value(self, id_: str, key: str) -> str | None:
        """One metadata value; None when there is none, or no image."""
        return header.value(self._ioctx, id_, key)

    @native.in_native_thread
    def update_id(self, id_: str, values: Mapping[str, str],
                  remove: Iterable[str] = (),
                  only_if: Mapping[str, str] | None = None) -> None:
        """Set and remove metadata of an image by its id.

        See :func:`.header.update_metadata`.
        """
        header.update_metadata(self._ioctx, id_, values, remove, only_if)
