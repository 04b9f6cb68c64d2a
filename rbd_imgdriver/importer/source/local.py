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
"""Image data that somebody has downloaded already."""

from collections.abc import Generator
from collections.abc import Iterator
import contextlib
import os

from rbd_imgdriver import blocking
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import memfd
from rbd_imgdriver import model

_CHUNK = 4 * 1024 * 1024


class LocalData:
    """The data of an image in a file, checked by those who downloaded it.

    Cinder does so before it calls a driver for an encrypted volume.

    :param path: of the file
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def verifier(self) -> model.Verifier | None:
        """See :meth:`rbd_imgdriver.model.ImageData.verifier`."""
        return None

    def read(self, offset: int = 0) -> Iterator[bytes]:
        """See :meth:`rbd_imgdriver.model.ImageData.read`."""
        return self.chunks(offset)

    def chunks(self, offset: int = 0) -> Generator[bytes]:
        """The same; a caller that stops early has to close it."""
        with open(self._path, 'rb') as file:
            file.seek(offset)
            while chunk := blocking.run(file.read, _CHUNK):
                yield chunk

    @contextlib.contextmanager
    def shared(self, user: str) -> Iterator[int]:
        """Open it so that a converter can read it.

        :param user: whom the converter runs as if we are root
        :returns: the descriptor
        """
        descriptor = memfd.for_programs(os.open(self._path, os.O_RDONLY))
        try:
            confined.let_read(descriptor, user)
            yield descriptor
        finally:
            os.close(descriptor)
