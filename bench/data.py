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

"""The images that are benchmarked: made once, kept for the next run."""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses
import hashlib
import pathlib
import random
import subprocess
from typing import Any
import uuid

GIB = 2**30
MIB = 2**20
# Data comes in runs, as file systems lay it out.
RUN = 16 * MIB
OWNER = 'b' * 32  # the project of all images and volumes


@dataclasses.dataclass(frozen=True)
class Disk:
    """A raw disk of random data in evenly spread runs, zeros between.

    :param size: in bytes
    :param data: bytes of it that are not zero
    :param disk_format: that of the file
    """

    size: int
    data: int
    disk_format: str = 'raw'

    @property
    def gib(self) -> int:
        """The GiB of a volume that it fits into."""
        return -(-self.size // GIB)

    def extents(self) -> list[tuple[int, int]]:
        """Where its data is, as [start, end)."""
        runs = self.data // RUN
        if not runs:
            return []
        gap = self.size // runs
        return [(n * gap, n * gap + RUN) for n in range(runs)]

    def __str__(self) -> str:
        return (f'{self.size // MIB}m-{self.data // MIB}m'
                f'.{self.disk_format}')


class Images:
    """The files of the images.

    :param directory: where they are
    """

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory

    def path(self, disk: Disk) -> pathlib.Path:
        """The file of a disk, made if need be."""
        path = self._directory / str(disk)
        if path.exists():
            return path
        self._directory.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix('.partial')
        if disk.disk_format == 'raw':
            _write(disk, partial)
        else:
            source = self.path(dataclasses.replace(disk, disk_format='raw'))
            subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O',
                            disk.disk_format, source, partial], check=True)
        partial.rename(path)
        return path

    def image(self, disk: Disk) -> tuple[dict[str, Any], pathlib.Path]:
        """A new image, as Glance's API shows it, and the file of its data."""
        path = self.path(disk)
        return {
            'id': str(uuid.uuid4()), 'name': path.name, 'status': 'active',
            'owner': OWNER, 'disk_format': disk.disk_format,
            'container_format': 'bare', 'size': path.stat().st_size,
            'virtual_size': disk.size, 'min_disk': 0, 'min_ram': 0,
            'visibility': 'public', 'protected': False, 'checksum': None,
            'os_hash_algo': 'sha512', 'os_hash_value': _digest(path),
            'created_at': '2026-01-01T00:00:00Z',
            'updated_at': '2026-01-01T00:00:00Z'}, path


def _write(disk: Disk, path: pathlib.Path) -> None:
    source = random.Random(disk.size)
    with path.open('wb') as file:
        for start, end in disk.extents():
            file.seek(start)
            file.write(source.randbytes(end - start))
        file.truncate(disk.size)


def _digest(path: pathlib.Path) -> str:
    """The hash of a file, kept beside it: 20 GiB take half a minute."""
    kept = path.with_suffix(f'{path.suffix}.sha512')
    if not kept.exists():
        with path.open('rb') as file:
            found = hashlib.file_digest(file, 'sha512').hexdigest()
        partial = kept.with_suffix('.partial')
        partial.write_text(found)
        partial.rename(kept)
    return kept.read_text()


def chunks(path: pathlib.Path, disk: Disk) -> Iterator[tuple[int, bytes]]:
    """The data of a raw disk with its offsets."""
    with path.open('rb') as file:
        for start, end in disk.extents():
            file.seek(start)
            yield start, file.read(end - start)


def whole(path: pathlib.Path) -> Iterator[tuple[int, bytes]]:
    """All of a file with its offsets."""
    with path.open('rb') as file:
        while chunk := file.read(RUN):
            yield file.tell() - len(chunk), chunk
