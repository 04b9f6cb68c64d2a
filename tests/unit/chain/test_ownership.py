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
"""What is ours to remove for good: pure decisions."""

import pytest

from rbd_imgdriver.chain import names
from rbd_imgdriver.chain import ownership
from rbd_imgdriver import errors
from rbd_imgdriver import model

VOLUME = 'volume-6f0f1c9e-8a55-4b71-9a10-1f6f5c1f7c39'
GOLDEN = 'image-cache-x'
ID = 'cafe'


def rules(status=None):
    return names.Names(status_of=lambda _: status)


@pytest.mark.parametrize(('status', 'marked', 'unmarked'), [
    (None, True, False),
    ('deleting', True, False),
    ('deleted', True, True),
    ('available', False, False),
    ('in-use', False, False),
    ('error_deleting', False, False),
])
def test_a_volume(status, marked, unmarked):
    for name, in_trash in ((VOLUME, True), (f'{VOLUME}.deleted', False)):
        found = [ownership.may_go(name, ID, in_trash, metadata,
                                  rules(status))
                 for metadata in ({model.DELETED_MARK: ID}, {},
                                  {model.DELETED_MARK: 'inherited'})]
        assert found == [marked, unmarked, unmarked]


@pytest.mark.parametrize(('name', 'in_trash'), [
    (VOLUME, False), (ID, True), ('precious', True),
    ('precious.deleted', False)])
def test_what_is_no_volume_out_of_sight(name, in_trash):
    assert not ownership.may_go(name, ID, in_trash,
                                {model.DELETED_MARK: ID}, rules('deleted'))


def test_a_volume_that_was_moved_to_another_pool():
    assert ownership.may_go(VOLUME, ID, True, {model.MOVED_MARK: ID},
                            rules('available'))


@pytest.mark.parametrize(('in_trash', 'metadata', 'may'), [
    (True, {model.ENTRY_MARK: ID}, True),
    (True, {model.ENTRY_MARK: 'inherited'}, False),
    (True, {}, False),
    (False, {model.ENTRY_MARK: ID}, False),
])
def test_a_golden_image(in_trash, metadata, may):
    assert ownership.may_go(GOLDEN, ID, in_trash, metadata,
                            rules('deleted')) is may


def test_when_cinder_cannot_be_asked_the_mark_decides():
    def fail(volume_id):
        raise errors.ServiceError(volume_id)

    for one in (names.Names(), names.Names(status_of=fail)):
        assert ownership.may_go(VOLUME, ID, True, {model.DELETED_MARK: ID},
                                one)
        assert not ownership.may_go(VOLUME, ID, True, {}, one)


@pytest.mark.parametrize(('image', 'snapshot', 'may'), [
    (VOLUME, 'x.clone_snap', True), (VOLUME, 'precious', False),
    (VOLUME, 'image', False), (GOLDEN, 'image', True),
    (GOLDEN, 'precious', False)])
def test_snapshots_that_go_with_their_image(image, snapshot, may):
    assert names.Names().may_drop(image, snapshot) is may
