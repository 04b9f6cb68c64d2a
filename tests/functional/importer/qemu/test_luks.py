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
"""Encrypted volumes: what qemu decrypts is the image's disk."""

import dataclasses
import pathlib
import secrets
import subprocess
import threading

import pytest

from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver import errors
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import luks
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver.importer.source import local
from rbd_imgdriver.importer import target as targets
from tests.functional.importer.conftest import FileData
from tests.functional.importer.conftest import image_of
from tests.functional.importer.conftest import MIB
from tests.functional.importer.conftest import qemu_img
from tests.functional.importer.conftest import write_disk

NAME = 'volume-x'
VOLUME = 16 * MIB
SIZE = 5 * MIB
# Another one in each run: others may show theirs at the same time.
XTS = luks_header.Encryption(secrets.token_hex(32), 'aes-256', 'xts',
                             'plain64')


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> pathlib.Path:
    return write_disk(tmp_path / 'disk.raw', SIZE)


@pytest.fixture
def qcow2(disk: pathlib.Path) -> pathlib.Path:
    path = disk.with_suffix('.qcow2')
    qemu_img('convert', '-f', 'raw', '-O', 'qcow2', disk, path)
    return path


@pytest.fixture
def unlocked(read, tmp_path):
    """What is inside the container that an RBD image holds."""
    def open_it(encryption: luks_header.Encryption, name: str = NAME) -> bytes:
        container = tmp_path / 'container'
        container.write_bytes(read(name))
        plain = tmp_path / 'plain'
        qemu_img('convert', '-O', 'raw', '--object',
                 f'secret,id=key,data={encryption.passphrase}',
                 '--image-opts', 'driver=luks,key-secret=key,'
                 f'file.driver=file,file.filename={container}', plain)
        return plain.read_bytes()

    return open_it


def target(pool, encryption=XTS) -> targets.Target:
    return targets.Target(pool, NAME, 22, VOLUME, VOLUME,
                          encryption=encryption)


def test_a_blank_volume(importer, pool, unlocked, conversion_dir):
    importer.create_encrypted(pool, NAME, order=22, size=VOLUME,
                              encryption=XTS)

    # Its user sees all of the size: the header comes on top, as in Cinder.
    assert len(unlocked(XTS)) == VOLUME
    assert VOLUME < pool.headers.size(NAME) < VOLUME + 4 * MIB
    assert sorted(pool.directory.ids()) == [NAME]
    assert list(conversion_dir.iterdir()) == []


def test_a_cipher_that_only_qemu_knows():
    """cryptsetup does not, without root; qemu takes its time."""
    cipher = 'serpent-256', 'xts', 'plain64'
    limits = confined.Limits('nobody', 2**32, 60, 600)
    with luks.key(luks_header.Encryption('secret', *cipher)) as key:
        made = key.header(1000, limits)

    assert luks_header.parse(made).cipher == cipher
    assert luks_header.parse(made).length == len(made)


def test_a_blank_volume_with_a_cipher_that_there_is_not(
        importer, pool, nothing_left):
    with pytest.raises(confined.Failed, match='rot13'):
        importer.create_encrypted(
            pool, NAME, order=22, size=VOLUME,
            encryption=dataclasses.replace(XTS, cipher_alg='rot13'))

    nothing_left()


@pytest.mark.parametrize('encryption', [
    dataclasses.replace(XTS, cipher_alg='aes-128'),
    luks_header.Encryption('secret', 'aes-256', 'cbc', 'essiv:sha256'),
], ids=lambda one: f'{one.cipher_alg}-{one.cipher_mode}')
def test_from_cinders_file(importer, pool, read, disk, qcow2, unlocked,
                           encryption):
    importer.import_image(
        image_of(qcow2, 'qcow2'), local.LocalData(str(qcow2)), target(
            pool, encryption=encryption))

    data = unlocked(encryption)
    assert data[:SIZE] == disk.read_bytes()
    assert len(data) > VOLUME - 3 * MIB
    assert disk.read_bytes()[:4096] not in read(NAME)
    assert sorted(pool.directory.ids()) == [NAME]
    assert pool.headers.size(NAME) == VOLUME


def test_raw_from_glance(importer, pool, disk, unlocked, conversion_dir):
    importer.import_image(image_of(disk, 'raw'), FileData(disk),
                          target(pool))

    assert unlocked(XTS)[:SIZE] == disk.read_bytes()
    assert list(conversion_dir.iterdir()) == []


def test_from_the_cluster(importer, pool, disk, qcow2, unlocked, in_glance):
    image = image_of(qcow2, 'qcow2', locations=(in_glance(qcow2),))

    importer.import_image(image, FileData(pathlib.Path('/nonexistent')),
                          target(pool))

    assert unlocked(XTS)[:SIZE] == disk.read_bytes()
    assert sorted(pool.directory.ids()) == [NAME]


@pytest.fixture
def golden(importer, pool, qcow2) -> clones.SnapshotSpec:
    """A cached image as large as the volume."""
    importer.import_image(image_of(qcow2, 'qcow2'), FileData(qcow2),
                          targets.Target(pool, 'golden', 22, VOLUME, VOLUME))
    pool.snapshots.ensure('golden', 'image')
    return clones.SnapshotSpec('volumes', 'golden', 'image')


def test_from_the_cache(importer, pool, disk, qcow2, unlocked, golden):
    """The golden image is as large as the volume; its end is zeros."""
    importer.import_image(
        image_of(qcow2, 'qcow2'), FileData(pathlib.Path('/nonexistent')),
        target(pool), golden=golden)

    assert unlocked(XTS)[:SIZE] == disk.read_bytes()
    assert sorted(pool.directory.ids()) == ['golden', NAME]


def test_no_room_for_the_header(importer, pool, tmp_path, nothing_left):
    """Data up to the volume's end must not be cut off, as Cinder would."""
    path = write_disk(tmp_path / 'full.raw', VOLUME)

    with pytest.raises(errors.ImageTooLarge, match='encrypted'):
        importer.import_image(image_of(path, 'raw'),
                              local.LocalData(str(path)), target(pool))

    nothing_left()


def test_a_cipher_that_there_is_not(importer, pool, qcow2, nothing_left):
    with pytest.raises(errors.ConversionFailed, match='cipher'):
        importer.import_image(
            image_of(qcow2, 'qcow2'), local.LocalData(str(qcow2)),
            target(pool, encryption=dataclasses.replace(
                XTS, cipher_alg='rot-13')))

    nothing_left()


def test_the_passphrase_stays_hidden(importer, pool, disk, qcow2, unlocked,
                                     caplog):
    """Neither a command line nor the log nor the image's metadata."""
    seen = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.append(subprocess.check_output(['ps', 'axeww', '-o', 'args']))

    caplog.set_level('DEBUG')
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        importer.import_image(
            image_of(qcow2, 'qcow2'), local.LocalData(str(qcow2)),
            target(pool))
    finally:
        done.set()
        thread.join()

    assert any(b'qemu-img' in one for one in seen)
    assert not any(XTS.passphrase.encode() in one for one in seen)
    assert XTS.passphrase not in caplog.text
    assert XTS.passphrase not in repr(XTS)
    assert XTS.passphrase not in str(pool.headers.metadata(NAME))
    assert unlocked(XTS)[:SIZE] == disk.read_bytes()
