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
"""Headers of LUKS containers, as cryptsetup and qemu understand them."""

import contextlib
import json
import subprocess

import pytest

from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver.importer.qemu import memfd

LIMITS = confined.Limits('nobody', 2**32, 60, 60)
XTS = luks_header.Encryption('a' * 64, 'aes-256', 'xts', 'plain64')
CIPHERS = [
    XTS,
    luks_header.Encryption('b', 'aes-128', 'xts', 'plain64'),
    luks_header.Encryption('c', 'aes-256', 'cbc', 'essiv:sha256'),
]


def made(encryption: luks_header.Encryption) -> bytes:
    with memfd.file('key', encryption.passphrase.encode()) as key:
        return luks_header.make(encryption, key, 1000, LIMITS)


def rekeyed(header: bytes, old: str, new: str) -> bytes:
    with memfd.file('old', old.encode()) as one, \
            memfd.file('new', new.encode()) as other:
        return luks_header.rekeyed(header, one, other, 1000, LIMITS)


@contextlib.contextmanager
def files(tmp_path, header: bytes, passphrase: str):
    container, key = tmp_path / 'container', tmp_path / 'key'
    container.write_bytes(header + bytes(2**20))
    key.write_text(passphrase)
    yield container, key


def opens(tmp_path, header: bytes, passphrase: str) -> bool:
    with files(tmp_path, header, passphrase) as (container, key):
        return subprocess.run(
            [luks_header.program(), 'luksOpen', '--test-passphrase',
             '--key-file', key, container], capture_output=True,
        ).returncode == 0


@pytest.mark.parametrize('encryption', CIPHERS,
                         ids=lambda one: '-'.join(one.cipher))
def test_a_new_header(tmp_path, encryption):
    header = made(encryption)

    assert luks_header.parse(header).cipher == encryption.cipher
    assert luks_header.parse(header).length == len(header) == 2_068_480
    assert luks_header.in_container(header + b'x', encryption) == header
    assert opens(tmp_path, header, encryption.passphrase)


def test_qemu_understands_it(tmp_path):
    with files(tmp_path, made(XTS), XTS.passphrase) as (container, key):
        facts = json.loads(subprocess.check_output(
            ['qemu-img', 'info', '--output=json', '--object',
             f'secret,id=key,file={key}', '--image-opts',
             f'driver=luks,key-secret=key,file.filename={container}']))

    assert facts['virtual-size'] == 2**20
    assert facts['format-specific']['data']['payload-offset'] == 2_068_480


@pytest.mark.parametrize('encryption', CIPHERS,
                         ids=lambda one: '-'.join(one.cipher))
def test_another_passphrase_for_the_same_payload(tmp_path, encryption):
    header = made(encryption)

    other = rekeyed(header, encryption.passphrase, 'other')

    assert luks_header.parse(other) == luks_header.parse(header)
    assert opens(tmp_path, other, 'other')
    assert not opens(tmp_path, other, encryption.passphrase)
    assert not opens(tmp_path, header, 'other')
    # No two containers are mistaken for each other by their UUIDs.
    assert other[168:208] != header[168:208]
    assert other[168:208].rstrip(b'\0').decode().count('-') == 4


def test_a_passphrase_that_does_not_open_it():
    with pytest.raises(confined.Failed, match='No key available'):
        rekeyed(made(XTS), 'wrong', 'other')


def test_other_master_keys_have_other_fingerprints():
    one, other = luks_header.parse(made(XTS)), luks_header.parse(made(XTS))

    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize('data', [
    b'', b'LUKS', bytes(4096), b'LUKS\xba\xbe\0\2' + bytes(4096)])
def test_what_is_no_header(data):
    assert luks_header.parse(data) is None
    assert luks_header.in_container(data, XTS) is None


def test_a_header_that_is_cut_off():
    assert luks_header.in_container(made(XTS)[:4096], XTS) is None


def test_a_header_of_another_cipher():
    assert luks_header.in_container(made(XTS), CIPHERS[1]) is None
