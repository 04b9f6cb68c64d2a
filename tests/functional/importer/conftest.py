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
"""An importer, and images to give it."""

from collections.abc import Iterator
import dataclasses
import hashlib
import os
import pathlib
import random
import signal
import subprocess

import pytest
import rados
import rbd

from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer import options
from rbd_imgdriver import model
from tests.functional import conftest as functional
from tests.functional import host
from tests.functional.importer import mutations

GIB = model.GIB
MIB = 2**20


@dataclasses.dataclass
class FileData:
    """An image's bytes out of a file."""

    path: pathlib.Path
    signature: model.Verifier | None = None

    def verifier(self) -> model.Verifier | None:
        return self.signature

    def read(self, offset: int = 0) -> Iterator[bytes]:
        with self.path.open('rb') as file:
            file.seek(offset)
            while chunk := file.read(65536):
                yield chunk


def image_of(path: pathlib.Path, disk_format: str,
             **facts) -> model.Image:
    """What Glance would say of a file."""
    with path.open('rb') as file:
        digest = hashlib.file_digest(file, 'sha512').hexdigest()
    facts = {'container_format': 'bare', 'size': path.stat().st_size,
             'hash_algo': 'sha512', 'hash_value': digest, **facts}
    return model.Image(id=id_of(path), disk_format=disk_format, **facts)


def id_of(path: pathlib.Path) -> str:
    """The id in Glance of the image whose data is a file."""
    return f'id-{path.name}'


def qemu_img(*words: object) -> str:
    return subprocess.run(['qemu-img', *map(str, words)], check=True,
                          text=True, stdout=subprocess.PIPE).stdout


def write_disk(path: pathlib.Path, size: int, seed: int = 1) -> pathlib.Path:
    """A sparse raw disk with data in uneven places, at both ends too."""
    chance = random.Random(seed)
    with path.open('wb') as file:
        file.truncate(size)
        for _ in range(12):
            length = min(size, chance.choice([1, 511, 4096, 65537, 300000]))
            file.seek(chance.randrange(size - length + 1))
            file.write(chance.randbytes(length))
        file.seek(0)
        file.write(b'\xeb\x63begin'[:size])
        if size > 100:
            file.seek(size - 3)
            file.write(b'end')
    return path


@pytest.fixture
def conversion_dir(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / 'conversion'
    path.mkdir()
    return path


@pytest.fixture
def settings(conversion_dir: pathlib.Path,
             tmp_path: pathlib.Path) -> options.Options:
    return options.Options(str(conversion_dir), lock_path=str(tmp_path),
                           retries=1)


@pytest.fixture
def importer(settings: options.Options) -> image_importer.Importer:
    return image_importer.Importer(settings)


@pytest.fixture
def read(admin: rados.Rados):
    """Reads all of an RBD image."""
    def whole(name: str, pool: str = 'volumes') -> bytes:
        with admin.open_ioctx(pool) as ioctx, \
                rbd.Image(ioctx, name, read_only=True) as image:
            return image.read(0, image.size())

    return whole


@pytest.fixture
def in_glance(admin: rados.Rados):
    """Stores a file as Glance's RBD store does; returns its location."""
    def store(path: pathlib.Path) -> str:
        return host.store_in_glance(admin, id_of(path), path.read_bytes())

    return store


@pytest.fixture
def nothing_left(pool, conversion_dir):
    """Checks that a failed import left neither image, file nor process."""
    def check() -> None:
        assert sorted(pool.directory.ids()) == []
        assert list(conversion_dir.iterdir()) == []
        assert not children('qemu-img')
        open_files = [os.readlink(f'/proc/self/fd/{number}')
                      for number in os.listdir('/proc/self/fd')
                      if os.path.lexists(f'/proc/self/fd/{number}')]
        assert not [name for name in open_files
                    if str(conversion_dir) in name]

    return check


@pytest.fixture(scope='module')
def originals(tmp_path_factory) -> dict[str, bytes]:
    """A small disk in every format."""
    directory = tmp_path_factory.mktemp('originals')
    return mutations.originals(directory, write_disk(
        directory / 'disk', mutations.DISK))


@pytest.fixture(scope='module')
def attacked(cluster, tmp_path_factory):
    """The pool ``volumes``, watched while hostile images come into it."""
    # It imports from here.
    from tests.functional.importer import attack

    with attack.Attack(cluster, 'volumes',
                       tmp_path_factory.mktemp('attack')) as made:
        yield made
    functional.empty(cluster)


def stopped_converter() -> int | None:
    """Hold up the conversion that runs for us, if there is one.

    Small disks would be done before anybody looks.
    """
    for pid in children('qemu-img'):
        try:
            words = pathlib.Path(f'/proc/{pid}/cmdline').read_bytes()
            if b'convert' in words.split(b'\0'):
                os.kill(pid, signal.SIGSTOP)
                return pid
        except (OSError, ProcessLookupError):
            continue  # it has just ended
    return None


def children(*names: str) -> list[int]:
    """Our child processes of these names, and theirs."""
    return descendants(os.getpid(), *names)


def descendants(root: int, *names: str) -> list[int]:
    """The child processes of one, and theirs, that have these names."""
    parents, found = {}, []
    for path in pathlib.Path('/proc').glob('[0-9]*/stat'):
        try:
            fields = path.read_text()
        except OSError:
            continue
        comm, rest = fields[fields.index('(') + 1:].rsplit(')', 1)
        pid = int(path.parent.name)
        parents[pid] = int(rest.split()[1])
        if comm in names:
            found.append(pid)
    return [pid for pid in found if root in _ancestors(pid, parents)]


def _ancestors(pid: int, parents: dict[int, int]) -> Iterator[int]:
    while pid := parents.get(pid, 0):
        yield pid
