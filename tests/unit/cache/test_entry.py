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
"""For which image an entry's signature counts as verified."""

import dataclasses

import pytest

from rbd_imgdriver.cache import entry
from rbd_imgdriver import model

IMAGE = model.Image('an-id', hash_algo='sha512', hash_value='00' * 64,
                    signature='signature')


def entry_of(image: model.Image) -> entry.Entry:
    found = entry.parse('name', 'rbd-id', 1, entry.facts(image, 'rbd-id', 1.0))
    assert found is not None
    return found


@pytest.mark.parametrize(('imported', 'wanted', 'verified'), [
    ({}, {}, True),
    ({'signature': ''}, {'signature': ''}, True),
    ({}, {'signature': ''}, True),
    ({'signature': ''}, {}, False),
    ({'signature': 'other'}, {}, False),
    ({'hash_value': '11' * 64}, {}, False),
    ({'id': 'other'}, {}, False),
])
def test_verified(imported, wanted, verified):
    held = entry_of(dataclasses.replace(IMAGE, **imported))
    assert held.verified(dataclasses.replace(IMAGE, **wanted)) is verified


def test_a_clone_inherits_the_record_and_is_no_entry():
    metadata = entry.facts(IMAGE, 'rbd-id', 1.0)
    assert entry.parse('volume-x', 'another-rbd-id', 1, metadata) is None
