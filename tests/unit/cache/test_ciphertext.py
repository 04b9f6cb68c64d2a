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
"""Names and metadata of golden ciphertexts."""

import dataclasses

import pytest

from rbd_imgdriver.cache import ciphertext
from rbd_imgdriver.cache import names
from rbd_imgdriver import model

IMAGE = model.Image(
    id='8f1f3c0e-6e26-4a4b-9d5b-6a8b2f0a0c11', name='jammy',
    disk_format='qcow2', container_format='bare', size=1, virtual_size=None,
    owner='me', hash_algo='sha512', hash_value='ab' * 64, checksum=None,
    updated_at='', locations=())
KIND = ciphertext.Kind('project', '', ('aes-256', 'xts', 'plain64'), 22)


def test_the_name_tells_image_and_nothing_else():
    name = ciphertext.name(IMAGE, KIND)

    assert names.image_id_of(name) == IMAGE.id
    assert name != names.golden(IMAGE)
    assert 'project' not in name


@pytest.mark.parametrize('change', [
    {'project': 'other'}, {'volume_type': 'gold'}, {'order': 23},
    {'cipher': ('aes-128', 'xts', 'plain64')}])
def test_each_kind_has_its_own(change):
    other = dataclasses.replace(KIND, **change)

    assert ciphertext.name(IMAGE, other) != ciphertext.name(IMAGE, KIND)


def test_other_data_have_their_own():
    other = dataclasses.replace(IMAGE, hash_value='cd' * 64)

    assert ciphertext.name(other, KIND) != ciphertext.name(IMAGE, KIND)


def test_another_name_of_the_image_changes_nothing():
    other = dataclasses.replace(IMAGE, name='noble')

    assert ciphertext.name(other, KIND) == ciphertext.name(IMAGE, KIND)


def test_metadata_there_and_back():
    values = {**ciphertext.metadata(KIND, 'f' * 64),
              **ciphertext.used_by('volume-1')}

    assert ciphertext.facts(values) == ciphertext.Facts(
        'project', '-'.join(KIND.cipher), 'f' * 64, 'volume-1')


def test_a_plain_golden_image_is_none():
    assert ciphertext.facts({'rbd-imgdriver/cache/rbd_id': '1'}) is None
