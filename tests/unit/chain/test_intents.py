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
"""The intent to flatten, as metadata."""

import hypothesis
from hypothesis import strategies as st
import pytest

from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver.chain import intents

PARENT = header.ParentRef(3, '', 'beef', 17)


def test_what_is_written_is_read():
    intent = intents.Intent('cafe', PARENT)
    assert intents.parse('cafe', intents.value(intent)) == intent


def test_an_inherited_intent_is_none():
    """A clone gets its parent's metadata."""
    intent = intents.Intent('cafe', PARENT)
    assert intents.parse('babe', intents.value(intent)) is None


@pytest.mark.parametrize('text', [
    None, '', 'nonsense', '{}', '[]', 'null', '7', '{"image_id": "cafe"}',
    '{"image_id": "cafe", "parent": null}',
    '{"image_id": "cafe", "parent": {"pool": 1}}',
])
def test_what_is_none(text):
    assert intents.parse('cafe', text) is None


@hypothesis.given(st.text())
def test_any_text(text):
    parsed = intents.parse('cafe', text)
    assert parsed is None or parsed.image_id == 'cafe'
