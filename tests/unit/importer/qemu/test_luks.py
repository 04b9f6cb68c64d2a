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
"""A new container's header, by whichever program can make it."""

import pytest

from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import luks
from rbd_imgdriver.importer.qemu import luks_header

# cryptsetup tries how fast the machine is, which may have much to do.
LIMITS = confined.Limits('nobody', 2**32, 60, 600)


def header(*cipher: str) -> bytes:
    with luks.key(luks_header.Encryption('secret', *cipher)) as key:
        return key.header(1000, LIMITS)


def test_a_header():
    cipher = 'aes-256', 'xts', 'plain64'
    made = header(*cipher)

    assert luks_header.parse(made).cipher == cipher
    assert luks_header.parse(made).length == len(made)


def test_a_cipher_that_there_is_not():
    with pytest.raises(confined.Failed, match='rot13'):
        header('rot13-256', 'xts', 'plain64')


def test_the_hash_of_an_initialization_vector():
    options = luks.qemu_options(luks_header.Encryption(
        'secret', 'aes-256', 'cbc', 'essiv:sha256'))

    assert options == ('key-secret=luks,cipher-alg=aes-256,cipher-mode=cbc,'
                       'ivgen-alg=essiv,ivgen-hash-alg=sha256')
