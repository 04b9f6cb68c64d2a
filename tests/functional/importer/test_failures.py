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
"""Imports that fail, break off or are given up leave nothing."""

from collections.abc import Iterator
import dataclasses
import pathlib
import signal
import subprocess
import sys
import threading

import pytest

from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver import errors
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer import partial as partials
from rbd_imgdriver.importer import target as targets
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from sandbox import polling
from sandbox import process
from tests.functional.importer.conftest import FileData
from tests.functional.importer.conftest import image_of
from tests.functional.importer.conftest import MIB
from tests.functional.importer.conftest import qemu_img
from tests.functional.importer.conftest import stopped_converter
from tests.functional.importer.conftest import write_disk

NAME = 'volume-x'
VOLUME = 32 * MIB
# In the header of a qcow2 image (docs/interop/qcow2.txt in QEMU's source).
L1_TABLE_OFFSET = 40


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_disk(tmp_path / 'disk.raw', 20 * MIB)


@pytest.fixture(params=['raw', 'qcow2'])
def path(request, disk: pathlib.Path) -> pathlib.Path:
    """The disk, in a format that streams and in one that does not."""
    made = disk.with_suffix('.image')
    qemu_img('convert', '-f', 'raw', '-O', request.param, disk, made)
    return made


def declared(path: pathlib.Path) -> str:
    with path.open('rb') as file:
        return 'qcow2' if file.read(4) == b'QFI\xfb' else 'raw'


def image(path: pathlib.Path, **facts):
    return image_of(path, declared(path), **facts)


def imported(importer, pool, path, data=None, progress=None, **facts):
    return importer.import_image(
        image(path, **facts), data or FileData(path),
        targets.Target(pool, NAME, 22, VOLUME, VOLUME), progress=progress)


@dataclasses.dataclass
class Breaking(FileData):
    """Breaks off in the middle, as often as asked."""

    breaks: int = 1
    error: type[errors.ImageError] = errors.DownloadFailed

    def read(self, offset: int = 0) -> Iterator[bytes]:
        half = self.path.stat().st_size // 2
        for chunk in super().read(offset):
            if self.breaks and offset + len(chunk) > half:
                self.breaks -= 1
                raise self.error('id', 'broken off')
            yield chunk
            offset += len(chunk)


def test_a_download_that_breaks_is_taken_up(importer, pool, read, disk, path):
    data = Breaking(path)

    imported(importer, pool, path, data)

    assert read(NAME)[:20 * MIB] == disk.read_bytes()
    assert data.breaks == 0


@pytest.mark.parametrize('error', [errors.DownloadFailed, errors.ImageGone])
def test_a_download_that_fails(importer, pool, path, nothing_left, error):
    with pytest.raises(error):
        imported(importer, pool, path, Breaking(path, breaks=9, error=error))

    nothing_left()


@pytest.mark.parametrize('facts', [
    {'hash_value': 'ab' * 64},
    {'hash_algo': None, 'hash_value': None, 'checksum': 'ab' * 16},
    {'size': 1000},
])
def test_other_data_than_glance_says(importer, pool, path, nothing_left,
                                     facts):
    with pytest.raises(errors.ImageDamaged):
        imported(importer, pool, path, **facts)

    nothing_left()


def test_less_data_than_glance_says(importer, pool, path, nothing_left):
    with pytest.raises(errors.DownloadFailed, match='ended after'):
        imported(importer, pool, path, size=path.stat().st_size + 1)

    nothing_left()


@dataclasses.dataclass
class Signature:
    """A verifier that sees what it was made to see, or not."""

    wanted: bytes
    seen: bytes = b''

    def update(self, data: bytes) -> None:
        self.seen += data

    def verify(self) -> None:
        if self.seen != self.wanted:
            raise errors.SignatureInvalid('id', 'it does not fit')


def test_signatures(importer, pool, path, nothing_left):
    good = Signature(path.read_bytes())
    imported(importer, pool, path, FileData(path, good))
    pool.images.remove(NAME)

    with pytest.raises(errors.SignatureInvalid):
        imported(importer, pool, path, FileData(path, Signature(b'other')))

    nothing_left()


def test_signatures_of_what_is_in_the_cluster(importer, pool, path, in_glance,
                                              nothing_left):
    urls = (in_glance(path),)
    good = Signature(path.read_bytes())
    imported(importer, pool, path, FileData(path, good), locations=urls)
    assert good.seen == good.wanted
    pool.images.remove(NAME)

    with pytest.raises(errors.SignatureInvalid):
        imported(importer, pool, path, FileData(path, Signature(b'other')),
                 locations=urls)

    nothing_left()


class Stop(Exception):
    """What a listener raises, for example because its lease is lost."""


def test_given_up_by_the_listener(importer, pool, path, nothing_left):
    def listener(_done: int, _total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        imported(importer, pool, path, progress=listener)

    nothing_left()


@pytest.fixture
def qcow2(disk: pathlib.Path) -> pathlib.Path:
    made = disk.with_suffix('.qcow2')
    qemu_img('convert', '-f', 'raw', '-O', 'qcow2', disk, made)
    return made


@pytest.mark.parametrize(('hash_of', 'error'), [
    ('itself', errors.ConversionFailed), ('another', errors.ImageDamaged)])
def test_data_that_qemu_cannot_read(importer, pool, qcow2, nothing_left,
                                    hash_of, error):
    """That it was damaged on its way explains more than what qemu says."""
    sent = image(qcow2)
    with qcow2.open('r+b') as file:
        file.seek(L1_TABLE_OFFSET)
        file.seek(int.from_bytes(file.read(8), 'big'))
        file.write(b'\xff' * 8)
    facts = {} if hash_of == 'itself' else {'hash_value': sent.hash_value}

    with pytest.raises(error):
        imported(importer, pool, qcow2, **facts)

    nothing_left()


@pytest.fixture
def held_up(qcow2: pathlib.Path) -> Iterator[list[int]]:
    """Stops the first conversion after the test's own; its process id."""
    seen: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not seen and not done.is_set():
            pid = stopped_converter()
            if pid is not None:
                seen.append(pid)

    thread = threading.Thread(target=watch)
    thread.start()
    yield seen
    done.set()
    thread.join()


def test_given_up_while_converting(importer, pool, qcow2, held_up,
                                   nothing_left):
    def listener(_done: int, _total: int) -> None:
        if held_up:
            raise Stop

    with pytest.raises(Stop):
        imported(importer, pool, qcow2, progress=listener)

    nothing_left()


def test_a_conversion_that_stands_still(settings, pool, qcow2, held_up,
                                        nothing_left):
    importer = image_importer.Importer(dataclasses.replace(settings,
                                                    stall_timeout=2))

    with pytest.raises(errors.ConversionFailed, match='no progress for 2'):
        imported(importer, pool, qcow2)

    assert held_up
    nothing_left()


def test_the_name_is_taken(importer, pool, path, read):
    pool.images.create(NAME, VOLUME, 22)

    with pytest.raises(ceph_errors.ImageExists):
        imported(importer, pool, path)

    assert sorted(pool.directory.ids()) == [NAME]
    assert not read(NAME).strip(b'\0')


@pytest.mark.parametrize(('disk_format', 'facts', 'setting', 'error'), [
    ('qcow2', {}, {'conversion_disabled': True}, errors.ConversionDisabled),
    ('raw', {'container_format': 'compressed'}, {'compressed_allowed': False},
     errors.ImageUnsafe),
    ('aki', {}, {}, errors.ImageUnsafe),
    ('', {}, {}, errors.ImageUnsafe),
    ('qcow2', {'virtual_size': VOLUME + 1}, {}, errors.ImageTooLarge),
    ('raw', {'size': VOLUME + 1}, {}, errors.ImageTooLarge),
])
def test_refused_without_a_look_at_the_data(settings, pool, disk, disk_format,
                                            facts, setting, error,
                                            nothing_left):
    importer = image_importer.Importer(
        dataclasses.replace(settings, **setting))
    nothing = FileData(pathlib.Path('/nonexistent'))

    with pytest.raises(error):
        importer.import_image(image_of(disk, disk_format, **facts), nothing,
                              targets.Target(pool, NAME, 22, VOLUME))

    nothing_left()


KILLED = '''
import os
import pathlib
import signal
import sys
import threading
from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import pool
from rbd_imgdriver.importer import options
from rbd_imgdriver.importer import partial as partials
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer import target as targets
from rbd_imgdriver import model
from tests.functional.importer import conftest

conf, path, directory, how = sys.argv[1:]


def die():
    while (pid := conftest.stopped_converter()) is None:
        pass
    print(pid, flush=True)
    os.kill(os.getpid(), getattr(signal, how))


threading.Thread(target=die, daemon=True).start()
importer = image_importer.Importer(options.Options(directory))
importer.import_image(
    conftest.image_of(pathlib.Path(path), 'qcow2'),
    conftest.FileData(pathlib.Path(path)),
    targets.Target(pool.Pool(connection.cluster(
        connection.ClusterSpec('ceph', conf, 'cinder')), 'volumes'),
        'volume-x', 22, 2**25, 2**25))
'''


@pytest.mark.usefixtures('short_watches')
@pytest.mark.parametrize('how', ['SIGKILL', 'SIGTERM'])
def test_a_service_that_is_killed(cluster, pool, qcow2, conversion_dir, how):
    """Its programs and files go with it; the sweep knows the image's name."""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', KILLED, cluster.conf('cinder'),
         qcow2, conversion_dir, how],
        stdout=subprocess.PIPE, text=True, timeout=120,
        cwd=pathlib.Path(__file__).parents[3])

    assert done.returncode == -getattr(signal, how)
    converter = int(done.stdout.split()[0])
    assert polling.wait_until(lambda: not process.Identity.of(converter), 30)
    assert [path for path in conversion_dir.iterdir()
            if path.suffix not in ('.room', '.queue')] == []
    (left,) = pool.directory.listed(temporary.PREFIX)
    assert list(pool.directory.ids()) == [left.name]
    assert temporary.final_name(left.name) == NAME
    assert temporary.is_marked(left.id, left.metadata)


ABANDONED = '''
import eventlet
eventlet.monkey_patch()
import os
import pathlib
import sys
from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import pool
from rbd_imgdriver.importer import options
from rbd_imgdriver.importer import partial as partials
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer import target as targets
from rbd_imgdriver import model
from sandbox import polling
from tests.functional.importer import conftest

conf, path, directory = sys.argv[1:]
looks = 0


def abandon():
    global looks
    while conftest.stopped_converter() is None:
        looks += 1
        eventlet.sleep(0)
    importing.kill()


def run():
    importer.import_image(
        conftest.image_of(pathlib.Path(path), 'qcow2'),
        conftest.FileData(pathlib.Path(path)),
        targets.Target(volumes, 'volume-x', 22, 2**25, 2**25))


volumes = pool.Pool(connection.cluster(
    connection.ClusterSpec('ceph', conf, 'cinder')), 'volumes')
importer = image_importer.Importer(options.Options(directory,
                                            lock_path=directory
                                            + '/..'))
importing = eventlet.spawn(run)
eventlet.spawn_n(abandon)
try:
    importing.wait()
except BaseException as error:
    print(type(error).__name__)
gone = polling.wait_until(lambda: not conftest.children('qemu-img'), 30)
print(sorted(volumes.directory.ids()), gone, os.listdir(directory), looks > 1)
'''


def test_a_create_that_is_abandoned_under_eventlet(cluster, pool, qcow2,
                                                   conversion_dir):
    """Its green thread is killed while a program runs for it."""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', ABANDONED,
         cluster.conf('cinder'), qcow2, conversion_dir],
        capture_output=True, text=True, timeout=120,
        cwd=pathlib.Path(__file__).parents[3])

    assert done.stdout.splitlines() == ['GreenletExit', '[] True [] True'], (
        done.stderr)


def test_progress_is_on_the_partial_image(pool):
    partial = partials.Partial('id', pool, temporary.new_name(NAME), 22,
                               VOLUME, VOLUME)
    with partial.made(None, {}):
        partial.note('downloading 5%')

        assert (pool.headers.metadata(partial.name)[model.PROGRESS_KEY]
                == 'downloading 5%')
        partial.finish()
        temporary.publish(pool, partial.name, NAME)
    assert sorted(pool.directory.ids()) == [NAME]
    assert pool.headers.metadata(NAME) == {}
