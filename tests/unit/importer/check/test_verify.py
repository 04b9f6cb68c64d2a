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

"""Hashes and signatures over bytes that pass by."""

import hashlib

import pytest

from rbd_imgdriver import errors
from rbd_imgdriver.importer.check import verify
from rbd_imgdriver import model

DATA = b'the data of an image'
SHA = hashlib.sha512(DATA).hexdigest()
MD5 = hashlib.md5(DATA, usedforsecurity=False).hexdigest()


class Signature:
    """A verifier that knows what it wants to see."""

    def __init__(self, wanted: bytes) -> None:
        self._wanted = wanted
        self._seen = b''

    def update(self, data: bytes) -> None:
        self._seen += data

    def verify(self) -> None:
        if self._seen != self._wanted:
            raise errors.SignatureInvalid('id', 'no')


def check(data: bytes = DATA, signature=None, **facts) -> int:
    """How many consumers the bytes went through."""
    proof = verify.Proof(model.Image(id='id', **facts), signature)
    for at in range(0, len(data), 7):
        for consumer in proof.consumers:
            consumer(data[at:at + 7])
    proof.check()
    return len(proof.consumers)


@pytest.mark.parametrize('facts', [
    {'hash_algo': 'sha512', 'hash_value': SHA},
    {'hash_algo': 'sha512', 'hash_value': SHA.upper()},
    {'checksum': MD5},
    {'hash_algo': 'unheard-of', 'hash_value': '00', 'checksum': MD5},
    {'hash_algo': 'sha512', 'hash_value': SHA, 'checksum': 'of no interest'},
])
def test_the_data_of_the_image(facts):
    assert check(**facts) == 1

    with pytest.raises(errors.ImageDamaged, match='instead of'):
        check(DATA + b'!', **facts)


def test_nothing_to_compare_with():
    assert check() == 0


def test_a_hash_that_nobody_here_can_compute():
    with pytest.raises(errors.ImageDamaged, match='unheard-of'):
        check(hash_algo='unheard-of', hash_value='00')


def test_signatures():
    assert check(signature=Signature(DATA), checksum=MD5) == 2

    with pytest.raises(errors.SignatureInvalid):
        check(signature=Signature(b'other data'), checksum=MD5)
