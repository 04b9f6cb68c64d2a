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
"""What one tenant imports keeps nobody else waiting."""

from collections.abc import Iterator
import dataclasses
import threading

import pytest

from rbd_imgdriver import errors
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer import target as targets
from rbd_imgdriver import model
from tests.functional.importer.conftest import FileData
from tests.functional.importer.conftest import GIB
from tests.functional.importer.conftest import image_of
from tests.functional.importer.conftest import MIB
from tests.functional.importer.conftest import qemu_img
from tests.functional.importer.conftest import write_disk

PLACES = 2


class Held(FileData):
    """Sends its first piece and then nothing, until it is let go."""

    def __init__(self, path, begun: threading.Event,
                 let_go: threading.Event) -> None:
        super().__init__(path)
        self.begun, self.let_go = begun, let_go

    def read(self, offset: int = 0) -> Iterator[bytes]:
        for chunk in super().read(offset):
            self.begun.set()
            yield chunk
            self.let_go.wait(120)


@pytest.fixture
def importer(settings):
    return image_importer.Importer(
        dataclasses.replace(settings, concurrent=PLACES))


@pytest.fixture
def raw(tmp_path):
    return write_disk(tmp_path / 'disk.raw', 2 * MIB)


@pytest.fixture
def qcow2(raw):
    path = raw.with_suffix('.qcow2')
    qemu_img('convert', '-f', 'raw', '-O', 'qcow2', raw, path)
    return path


@pytest.fixture
def hold(importer, pool):
    """Starts imports that go on until the end of the test."""
    threads: list[threading.Thread] = []
    let_go = threading.Event()

    def start(path, disk_format: str, project: str, count: int) -> None:
        begun = threading.Event()
        for number in range(count):
            threads.append(threading.Thread(
                target=importer.import_image,
                args=(image_of(path, disk_format), Held(path, begun, let_go),
                      targets.Target(pool, f'volume-{project}-{number}', 22,
                                     GIB, GIB, project=project))))
            threads[-1].start()
        assert begun.wait(60)

    yield start
    let_go.set()
    for thread in threads:
        thread.join(120)


@pytest.mark.parametrize(('held', 'wanted'), [
    ('raw', 'raw'), ('qcow2', 'qcow2'), ('qcow2', 'raw'), ('raw', 'qcow2')])
def test_a_tenant_who_holds_all_he_can(importer, pool, hold, read, raw, qcow2,
                                       held, wanted):
    paths = {'raw': raw, 'qcow2': qcow2}
    hold(paths[held], held, 'greedy', PLACES + 2)

    importer.import_image(
        image_of(paths[wanted], wanted), FileData(paths[wanted]),
        targets.Target(pool, 'volume-other', 22, GIB, 4 * MIB,
                       project='other'))

    assert read('volume-other')[:2 * MIB] == raw.read_bytes()


def test_without_a_project_it_is_the_owners_share(importer, pool, hold, raw):
    hold(raw, 'raw', 'greedy', PLACES + 2)
    image = image_of(raw, 'raw', owner='other')

    importer.import_image(image, FileData(raw), targets.Target(
        pool, 'volume-other', 22, GIB, 4 * MIB))


@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
@pytest.mark.parametrize('size_known', [True, False])
def test_a_disk_of_no_bytes(importer, pool, tmp_path, nothing_left,
                            disk_format, size_known):
    path = tmp_path / 'empty'
    if disk_format == 'qcow2':
        qemu_img('create', '-q', '-f', 'qcow2', path, '0')
    else:
        path.touch()
    image = image_of(path, disk_format)
    if not size_known:
        image = dataclasses.replace(image, size=None)

    with pytest.raises(errors.ImageEmpty, match='0 bytes'):
        importer.import_image(image, FileData(path),
                              targets.Target(pool, 'volume-x', 22, model.GIB))

    nothing_left()
