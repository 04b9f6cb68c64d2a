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
"""What may be freed after a clone is gone: pure decisions."""

import pytest

from rbd_imgdriver.ceph.images import ancestry
from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver.chain import names
from rbd_imgdriver.chain import release

RULES = names.Names()
NOW = 1000.0
ID = '6f0f1c9e-8a55-4b71-9a10-1f6f5c1f7c39'


def parent(name: str, in_trash: bool = False,
           deferred_until: int = 0) -> ancestry.Parent:
    return ancestry.Parent('cafe', name, in_trash, deferred_until, None, 0,
                           None)


@pytest.mark.parametrize(('one', 'hidden'), [
    (parent(f'volume-{ID}'), False),
    (parent(f'volume-{ID}.deleted'), True),
    (parent(f'volume-{ID}', in_trash=True), True),
    (parent(f'volume-{ID}', in_trash=True, deferred_until=2000), False),
    (parent('image-cache-x', in_trash=True), True),
    (parent('image-cache-x'), False),
    (parent(ID), False),
    (parent('precious.deleted'), False),
])
def test_out_of_sight(one, hidden):
    assert release.is_out_of_sight(one, RULES, NOW) is hidden


def snapshot(name: str, children: int = 0,
             trashed: bool = False) -> header.Snapshot:
    return header.Snapshot(1, name, 2**30, 0, children, trashed)


@pytest.mark.parametrize(('one', 'unused'), [
    (None, False),
    (snapshot('a.clone_snap'), True),
    (snapshot('a.clone_snap', children=1), False),
    (snapshot('a.clone_snap', trashed=True), False),
    (snapshot(f'snapshot-{ID}'), False),
    (snapshot('snap'), False),
    (snapshot('image'), False),
])
def test_unused(one, unused):
    assert release.is_unused(one) is unused
