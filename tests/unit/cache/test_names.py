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
"""What the cache calls its images, and what it reads from them."""

import dataclasses

import pytest

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import names
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model

IMAGE = model.Image(id='11111111-2222-3333-4444-555555555555', name='linux',
                    hash_algo='sha512', hash_value='ab' * 64,
                    checksum='cd' * 16, updated_at='2026-01-01')


def test_the_name_is_of_the_image_and_its_data():
    assert names.golden(IMAGE) == (
        'image-cache-11111111-2222-3333-4444-555555555555-abababababab')


def test_a_new_name_for_new_data_under_an_old_id():
    again = dataclasses.replace(IMAGE, hash_value='ef' * 64)
    assert names.golden(again) != names.golden(IMAGE)


@pytest.mark.parametrize('facts', [
    {'name': 'renamed'}, {'updated_at': '2027-01-01'}, {'owner': 'other'}])
def test_what_does_not_change_the_data_does_not_change_the_name(facts):
    changed = dataclasses.replace(IMAGE, **facts)
    assert names.golden(changed) == names.golden(IMAGE)


def test_without_a_hash_the_checksum_and_then_the_time_stand_in():
    old = dataclasses.replace(IMAGE, hash_value=None)
    none = dataclasses.replace(old, checksum=None)
    assert names.identity(old) == 'md5:' + 'cd' * 16
    assert names.golden(old).endswith('-cdcdcdcdcdcd')
    later = dataclasses.replace(none, updated_at='2026-01-02')
    assert names.golden(none) != names.golden(later)


def test_a_partial_name_tells_what_it_is_to_become():
    golden = names.golden(IMAGE)
    first, second = temporary.new_name(golden), temporary.new_name(golden)
    assert first != second
    assert {temporary.final_name(one) for one in (first, second)} == {golden}
    assert names.internal(first)
    assert names.internal(golden)
    assert not names.internal('volume-1')


def test_an_entry_survives_its_metadata():
    metadata = entry.facts(IMAGE, 'abc123', now=1000.5)
    parsed = entry.parse('golden', 'abc123', 2**30, metadata)
    assert parsed.image_id == IMAGE.id
    assert parsed.image_name == 'linux'
    assert parsed.identity == names.identity(IMAGE)
    assert (parsed.created, parsed.last_used) == (1000.5, 1000.5)
    used = entry.parse('golden', 'abc123', 2**30,
                       {**metadata, **entry.used(2000), **entry.pin()})
    assert used.last_used == 2000
    assert used.pinned


def test_a_clone_that_inherited_the_metadata_is_no_entry():
    metadata = entry.facts(IMAGE, 'abc123', now=1000)
    assert entry.parse('volume-1', 'def456', 2**30, metadata) is None
    assert entry.parse('volume-1', 'def456', 2**30, {}) is None
