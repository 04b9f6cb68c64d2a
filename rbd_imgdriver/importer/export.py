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
"""The way back: a volume's data as an image, for Glance to read.

Raw data is read straight from RBD, without a temporary file; other formats
take one, of the size of the result.  What a guest has written is never
taken for a format: the volume is raw.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import os
from typing import Protocol
import zlib

from rbd_imgdriver import blocking
from rbd_imgdriver.ceph.images import reader
from rbd_imgdriver.ceph import parts
from rbd_imgdriver import errors
from rbd_imgdriver.importer.check import formats
from rbd_imgdriver.importer import options
from rbd_imgdriver.importer.qemu import arguments
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import convert
from rbd_imgdriver.importer import spool

_GZIP = 16 + zlib.MAX_WBITS
_CPU = 60
_ZEROS = bytes(reader.PIECE)

# Parallels' driver grows its file by 128 MiB at a time.
_AHEAD = 256 * 1024 * 1024


class Readable(Protocol):
    """What glanceclient wants of a file."""

    def read(self, size: int = -1, /) -> bytes | None:
        """Up to ``size`` bytes; none at the end."""
        ...


class Disk:
    """An RBD image as a file to read from its beginning to its end.

    Blocks; Cinder reads it in a native thread.
    """

    def __init__(self, opened: parts.Reader) -> None:
        self._reader = opened
        self._at = 0
        self._piece: tuple[int, bytes] | None = (0, b'')

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        if size < 0:
            size = self._reader.size
        size = min(size, self._reader.size - self._at)
        part = self._data_or_hole(size)
        self._at += len(part)
        return part

    def close(self) -> None:
        """Close the image."""
        self._reader.close()

    def _data_or_hole(self, size: int) -> bytes:
        while self._piece is not None and (
                self._at >= self._piece[0] + len(self._piece[1])):
            self._piece = self._reader.next()
        if self._piece is None:
            return _ZEROS[:size]
        offset, data = self._piece
        if self._at < offset:
            return _ZEROS[:min(size, offset - self._at)]
        start = self._at - offset
        return data[start:start + size]


class Compressed:
    """Another file's bytes as a gzip stream."""

    def __init__(self, plain: Readable) -> None:
        self._plain = plain
        self._packer = zlib.compressobj(wbits=_GZIP)
        self._ready = b''
        self._ended = False

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes; none at the end."""
        while not self._ended and (size < 0 or len(self._ready) < size):
            chunk = self._plain.read(reader.PIECE)
            if chunk:
                self._ready += self._packer.compress(chunk)
            else:
                self._ready += self._packer.flush()
                self._ended = True
        size = len(self._ready) if size < 0 else size
        part, self._ready = self._ready[:size], self._ready[size:]
        return part


class Exporter:
    """Turns volumes into image data.

    :param settings: what the operator decided
    """

    def __init__(self, settings: options.Options) -> None:
        self._settings = settings
        self._spooler = spool.Spooler(settings.conversion_dir,
                                      settings.lock_path)
        self._limits = confined.Limits(settings.user, settings.memory_limit,
                                      _CPU, settings.stall_timeout)

    @contextlib.contextmanager
    def exported(self, image_id: str, pool: parts.Pool, name: str,
                 disk_format: str, *, compressed_container: bool = False,
                 compressed_clusters: bool = False,
                 ) -> Iterator[Readable]:
        """A volume's data in a format, to be read once.

        :param image_id: of the image that it becomes, for errors
        :param disk_format: Glance's name
        :param compressed_container: gzip it
        :param compressed_clusters: let qcow2 compress its clusters
        :raises rbd_imgdriver.errors.ImageError: when it cannot be converted
        """
        with self._formatted(image_id, pool, name, disk_format,
                             compressed_clusters) as file:
            yield Compressed(file) if compressed_container else file

    @contextlib.contextmanager
    def _formatted(self, image_id: str, pool: parts.Pool, name: str,
                   disk_format: str,
                   compressed: bool) -> Iterator[Readable]:
        driver = formats.qemu_driver(disk_format)
        if driver == 'raw':
            disk = Disk(pool.data.reader(name))
            try:
                yield disk
            finally:
                blocking.run(disk.close)
            return
        room = formats.with_tables(pool.usage.of(name).used)
        with self._spooler.file(image_id, room, lambda: None) as file:
            self._convert(image_id, pool, name, driver, compressed,
                          file.descriptor, room + _AHEAD)
            os.lseek(file.descriptor, 0, os.SEEK_SET)
            with open(file.descriptor, 'rb', buffering=0,
                      closefd=False) as result:
                yield result

    def _convert(self, image_id: str, pool: parts.Pool, name: str,
                 driver: str, compressed: bool, descriptor: int,
                 most: int) -> None:
        confined.let_use(descriptor, self._settings.user)
        size = pool.headers.size(name)
        limits = dataclasses.replace(self._limits,
                                     cpu=convert.cpu_seconds(size))
        try:
            with convert.cluster(pool) as cluster:
                convert.create(
                    arguments.Source('raw', cluster.node(pool.name, name)),
                    driver, descriptor, size, limits, most,
                    compressed=compressed and driver == 'qcow2')
        except confined.Failed as error:
            raise errors.ConversionFailed(image_id, str(error)) from error
