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
"""No image reads a host's file, breaks the service or leaves anything."""

from collections.abc import Iterator
import os

import pytest
import rbd

from rbd_imgdriver import errors
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer import options
from rbd_imgdriver.importer import target as targets
from tests.functional import conftest as functional
from tests.functional.importer import canary
from tests.functional.importer.conftest import children
from tests.functional.importer.conftest import FileData
from tests.functional.importer.conftest import image_of
from tests.functional.importer.conftest import MIB
from tests.functional.importer.conftest import qemu_img
from tests.functional.importer.conftest import write_disk
from tests.functional.importer import differences
from tests.functional.importer import hostile

CORPUS = [*hostile.corpus(), *differences.corpus()]
VOLUME = 64 * MIB


@pytest.fixture(scope='module')
def originals(tmp_path_factory) -> dict[str, bytes]:
    """A small disk in every format."""
    directory = tmp_path_factory.mktemp('originals')
    raw = write_disk(directory / 'raw', MIB)
    for key, (driver, made_with) in hostile.ORIGINALS.items():
        extra = ['-o', made_with] if made_with else []
        qemu_img('convert', '-f', 'raw', '-O', driver, *extra, raw,
                 directory / key)
    return {key: (directory / key).read_bytes() for key in hostile.ORIGINALS}


@pytest.fixture(scope='module')
def secret(tmp_path_factory) -> Iterator[canary.Canary]:
    """A file of the host that anybody may read, so only we protect it."""
    path = tmp_path_factory.mktemp('host') / 'secret'
    for parent in path.parents:
        if parent.stat().st_uid == os.getuid() and parent.parts[1:2] == (
                'tmp',) and len(parent.parts) > 2:
            parent.chmod(0o755)
    made = canary.Canary(path)
    yield made
    made.close()


@pytest.fixture(scope='module')
def scene(cluster, tmp_path_factory):
    """An importer with its directory, and a pool that stays open."""
    directory = tmp_path_factory.mktemp('conversion')
    importer = image_importer.Importer(options.Options(
        str(directory), lock_path=str(tmp_path_factory.mktemp('locks')),
        retries=0, stall_timeout=20))
    yield importer, functional.open_pool(cluster, 'volumes'), directory
    functional.empty(cluster)


def test_the_corpus_is_large_enough():
    assert len(CORPUS) >= 380
    assert len(differences.corpus()) >= 80
    assert len({str(one) for one in CORPUS}) == len(CORPUS)


def test_opening_the_secret_would_show(secret):
    secret.path.open().close()

    assert secret.opened()
    assert not secret.opened()


@pytest.mark.parametrize('one', CORPUS, ids=str)
def test_image(scene, originals, secret, tmp_path, one):
    importer, pool, directory = scene
    path = tmp_path / 'image'
    path.write_bytes(one.make(originals, secret.path))
    image = image_of(path, one.declared, container_format=one.container)

    try:
        importer.import_image(image, FileData(path), targets.Target(
            pool, 'volume-x', 22, VOLUME, VOLUME))
    except errors.ImageError:
        made = None
    else:
        made = contents(pool, 'volume-x')
        pool.images.remove('volume-x')

    assert not secret.opened()
    assert secret.words not in (made or b'')
    assert made is None or not one.refused
    assert sorted(pool.directory.ids()) == []
    assert list(directory.iterdir()) == []
    assert children('qemu-img') == []


def contents(pool, name: str) -> bytes:
    with pool.cluster.checked_out(), \
            rbd.Image(pool.cluster.ioctx(pool.name), name,
                     read_only=True) as image:
        return image.read(0, image.size())
