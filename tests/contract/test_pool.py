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
"""What the cache rests on, kept by the pool in memory and by Ceph."""

import pytest

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph.wire import leases

MIB = 2**20
PARENT = clones.SnapshotSpec('volumes', 'parent', 'snap')


@pytest.fixture
def parent(pool):
    pool.create('parent', 8 * MIB, 22, {'a': '1'})
    pool.snapshot('parent', 'snap')
    return pool


def test_an_image(pool):
    pool.create('image', 4 * MIB, 22, {'a': '1'})
    assert pool.exists('image')
    assert pool.size('image') == 4 * MIB
    assert pool.metadata('image') == {'a': '1'}
    with pytest.raises(errors.ImageExists):
        pool.create('image', 4 * MIB, 22)
    pool.remove('image')
    pool.remove('image')
    assert not pool.exists('image')
    with pytest.raises(errors.ImageNotFound):
        pool.size('image')


def test_the_id_of_what_was_made(parent):
    id_ = parent.create('image', 4 * MIB, 22, {'a': '1'}, id_key='own')
    assert parent.id('image') == id_
    assert parent.metadata('image') == {'a': '1', 'own': id_}
    assert parent.clone(clones.CloneSpec(PARENT, 'child')) \
        == parent.id('child')


def test_only_the_image_of_that_id_is_removed(pool):
    id_ = pool.create('image', 4 * MIB, 22)
    pool.remove('image', 'another')
    assert pool.id('image') == id_
    pool.remove('image', id_)
    assert not pool.exists('image')


def test_metadata(parent):
    parent.update_metadata('parent', {'b': '2'}, remove=['a', 'never'])
    assert parent.metadata('parent') == {'b': '2'}


def test_a_name_that_is_taken_is_not_taken_over(parent):
    parent.create('other', 4 * MIB, 22)
    id_ = parent.id('parent')
    with pytest.raises(errors.ImageExists):
        parent.rename('other', 'parent')
    assert parent.id('parent') == id_
    parent.rename('other', 'another')
    assert not parent.exists('other')


def test_a_rename_keeps_snapshots_and_children(parent):
    parent.clone(clones.CloneSpec(PARENT, 'child'))
    parent.rename('parent', 'renamed')
    parent.clone(clones.CloneSpec(
        clones.SnapshotSpec('volumes', 'renamed', 'snap'), 'second'))
    with pytest.raises(errors.ImageHasSnapshots):
        parent.remove('renamed')


def test_listing_by_prefix(parent):
    parent.create('pa', 4 * MIB, 22)
    parent.create('x', 4 * MIB, 22)
    found = {one.name: (one.id, one.size, one.metadata)
             for one in parent.listed('pa')}
    assert found == {
        'pa': (parent.id('pa'), 4 * MIB, {}),
        'parent': (parent.id('parent'), 8 * MIB, {'a': '1'})}
    assert parent.listed('nothing') == []


def test_a_clone(parent):
    parent.clone(clones.CloneSpec(PARENT, 'child', size=16 * MIB))
    assert parent.size('child') == 16 * MIB
    with pytest.raises(errors.ImageExists):
        parent.clone(clones.CloneSpec(PARENT, 'child'))
    with pytest.raises(clones.SourceTooLarge):
        parent.clone(clones.CloneSpec(PARENT, 'small', size=4 * MIB))
    assert not parent.exists('small')
    with pytest.raises(errors.SnapshotNotFound):
        parent.clone(clones.CloneSpec(
            clones.SnapshotSpec('volumes', 'parent', 'none'), 'none'))


def test_the_trash_keeps_a_parent_until_its_last_child_goes(parent):
    parent.clone(clones.CloneSpec(PARENT, 'child'))
    id_ = parent.id('parent')
    parent.trash_move('parent')
    parent.trash_move('parent')

    assert not parent.exists('parent')
    assert [one.id for one in parent.trashed()] == [id_]
    assert not parent.trash_free(id_)
    parent.remove('child')
    assert parent.trash_free(id_)
    assert parent.trash_free(id_)
    assert parent.trashed() == []


def test_a_name_in_the_trash_is_free(parent):
    parent.trash_move('parent')
    parent.create('parent', 4 * MIB, 22)
    assert parent.size('parent') == 4 * MIB


def test_leases(pool):
    first = leases.Lease('work', 'a', 30)
    second = leases.Lease('work', 'b', 30)
    assert pool.acquire_lease(first, {'host': 'one'})
    assert not pool.acquire_lease(second, {'host': 'two'})
    assert pool.lease_holder('work') == {'host': 'one'}
    pool.renew_lease(first)
    with pytest.raises(leases.LeaseLost):
        pool.renew_lease(second)
    pool.release_lease(second)
    assert pool.lease_holder('work') == {'host': 'one'}
    pool.release_lease(first)
    assert pool.lease_holder('work') is None
