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
"""What :class:`rbd_imgdriver.ceph.pool.Pool` does for the importer."""

from rbd_imgdriver.ceph import credentials
from rbd_imgdriver.ceph.images import layouts
from rbd_imgdriver.ceph.images import reader
from rbd_imgdriver.ceph.images import writer
from rbd_imgdriver.ceph import native

_blocking = native.in_native_thread


class ImportCalls(native.Base):
    """Reading and writing the data of images."""

    @_blocking
    def credentials(self) -> credentials.Credentials:
        """What another program needs to reach the cluster as our user."""
        return credentials.read(self.cluster)

    @_blocking
    def writer(self, image: str) -> writer.Writer:
        """Open an image of zeros for writing; who gets it has to close it.

        The writer's methods belong into one native thread.
        """
        return writer.Writer(self._ioctx, image, self.cluster.hold())

    @_blocking
    def reader(self, image: str) -> reader.Reader:
        """Open an image for reading; who gets it has to close it.

        :raises errors.ImageNotFound: when there is none of that name
        """
        return reader.Reader(self._ioctx, image, self.cluster.hold())

    @_blocking
    def check_layout(self, image: str, size: int, order: int) -> None:
        """Whether an image is as it should have been made.

        :param size: bytes
        :param order: log2 of the object size in bytes
        :raises layouts.WrongLayout: when it is not
        """
        wanted = layouts.wanted(self.cluster, self._ioctx, size, order)
        layouts.check(layouts.read(self.cluster, self._ioctx, image), wanted,
                      f'{self.name}/{image}')
