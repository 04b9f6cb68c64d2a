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
"""What images hold: reading it, writing it, and how it is laid out."""

from collections.abc import Callable
import hashlib

import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import layouts
from rbd_imgdriver.ceph.images import reader
from rbd_imgdriver.ceph.images import writer
from rbd_imgdriver.ceph import native

_CHUNK = 8 * 1024 ** 2


class Data(native.Part):
    """The data of a pool's images."""

    @native.in_native_thread
    def writer(self, image: str) -> writer.Writer:
        """Open an image of zeros for writing; the caller has to close it.

        The writer's methods must be called in one native thread.
        """
        return writer.Writer(self._ioctx, image, self.cluster.hold())

    @native.in_native_thread
    def reader(self, image: str) -> reader.Reader:
        """Open an image for reading; the caller has to close it.

        :raises errors.ImageNotFound: when there is none of that name
        """
        return reader.Reader(self._ioctx, image, self.cluster.hold())

    @native.in_native_thread
    def digest(self, image: str, snapshot: str, algorithm: str, length: int,
               advance: Callable[[int], None]) -> str:
        """The hexadecimal digest of the first ``length`` bytes of a snapshot.

        :param algorithm: a name that :mod:`hashlib` knows
        :param advance: called with the bytes done; must not log
        :raises errors.ImageNotFound: when there is no such image
        :raises errors.SnapshotNotFound: when it has no such snapshot
        """
        found = hashlib.new(algorithm, usedforsecurity=False)
        subject = f'data of {image}@{snapshot}'
        with errors.translated(subject), \
                rbd.Image(self._ioctx, image, read_only=True) as opened, \
                errors.translated(subject, errors.SnapshotNotFound):
            opened.set_snap(snapshot)
            for offset in range(0, length, _CHUNK):
                data = opened.read(offset, min(_CHUNK, length - offset))
                found.update(data)
                advance(offset + len(data))
        return found.hexdigest()

    @native.in_native_thread
    def check_layout(self, image: str, size: int, order: int) -> None:
        """Whether an image is as it should have been made.

        :param size: bytes
        :param order: log2 of the object size in bytes
        :raises layouts.WrongLayout: when it is not
        """
        wanted = layouts.wanted(self.cluster, self._ioctx, size, order)
        layouts.check(layouts.read(self.cluster, self._ioctx, image), wanted,
                      f'{self.name}/{image}')

    @native.in_native_thread
    def pool(self) -> str:
        """The pool of new images' data, or '' for this one."""
        return layouts.wanted(self.cluster, self._ioctx, 0, 0).data_pool
