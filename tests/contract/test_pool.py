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
    pool.images.create('parent', 8 * MIB, 22, {'a': '1'})
    pool.snapshots.ensure('parent', 'snap')
    return pool


def test_an_image(pool):
    pool.images.create('image', 4 * MIB, 22, {'a': '1'})
    assert pool.directory.exists('image')
    assert pool.headers.size('image') == 4 * MIB
    assert pool.headers.metadata('image') == {'a': '1'}
    with pytest.raises(errors.ImageExists):
        pool.images.create('image', 4 * MIB, 22)
    pool.images.remove('image')
    pool.images.remove('image')
    assert not pool.directory.exists('image')
    with pytest.raises(errors.ImageNotFound):
        pool.headers.size('image')


def test_the_id_of_what_was_made(parent):
    id_ = parent.images.create('image', 4 * MIB, 22, {'a': '1'}, id_key='own')
    assert parent.directory.id('image') == id_
    assert parent.headers.metadata('image') == {'a': '1', 'own': id_}
    assert parent.clones.clone(clones.CloneSpec(PARENT, 'child')) \
        == parent.directory.id('child')


def test_only_the_image_of_that_id_is_removed(pool):
    id_ = pool.images.create('image', 4 * MIB, 22)
    pool.images.remove('image', 'another')
    assert pool.directory.id('image') == id_
    pool.images.remove('image', id_)
    assert not pool.directory.exists('image')


def test_metadata(parent):
    parent.headers.update('parent', {'b': '2'}, remove=['a', 'never'])
    assert parent.headers.metadata('parent') == {'b': '2'}


def test_a_name_that_is_taken_is_not_taken_over(parent):
    parent.images.create('other', 4 * MIB, 22)
    id_ = parent.directory.id('parent')
    with pytest.raises(errors.ImageExists):
        parent.images.rename('other', 'parent')
    assert parent.directory.id('parent') == id_
    parent.images.rename('other', 'another')
    assert not parent.directory.exists('other')


def test_a_rename_keeps_snapshots_and_children(parent):
    parent.clones.clone(clones.CloneSpec(PARENT, 'child'))
    parent.images.rename('parent', 'renamed')
    parent.clones.clone(clones.CloneSpec(
        clones.SnapshotSpec('volumes', 'renamed', 'snap'), 'second'))
    with pytest.raises(errors.ImageHasSnapshots):
        parent.images.remove('renamed')


def test_a_finished_rename(parent):
    id_ = parent.directory.id('parent')
    assert not parent.images.finish_rename('parent', 'renamed', id_)
    parent.images.rename('parent', 'renamed')
    assert parent.images.finish_rename('parent', 'renamed', id_)
    assert not parent.images.finish_rename('parent', 'renamed', 'another')
    assert parent.directory.id('renamed') == id_


def test_what_a_name_leads_to(parent):
    assert parent.directory.named('nothing') is None
    found = parent.directory.named('parent')
    assert (found.id, found.name) == (parent.directory.id('parent'),
                                      'parent')
    assert found.metadata == {'a': '1'}
    assert found.snapshots == ('snap',)
    assert parent.headers.metadata_id(found.id) == {'a': '1'}
    parent.trash.move('parent')
    assert parent.directory.named('parent') is None
    assert parent.headers.metadata_id(found.id) == {'a': '1'}
    assert parent.headers.metadata_id('nothing') == {}


def test_what_is_there_has_a_header(parent):
    assert not parent.directory.is_headless('parent')
    assert not parent.directory.is_headless('nothing')
    parent.trash.move('parent')
    assert not parent.directory.is_headless('parent')


def test_the_name_of_what_is_there_is_not_dropped(parent):
    parent.images.drop_name('parent', parent.directory.id('parent'))
    parent.images.drop_name('nothing', 'nothing')
    assert parent.directory.exists('parent')


def test_a_snapshot_that_somebody_made_stays_in_the_trash(parent):
    id_ = parent.directory.id('parent')
    parent.snapshots.ensure('parent', 'precious')
    parent.trash.move('parent')
    assert not parent.trash.free(id_, 'snap')
    assert [one.id for one in parent.trash.entries()] == [id_]


def test_what_is_held_is_not_removed(pool):
    id_ = pool.images.create('image', 4 * MIB, 22)
    hold = pool.images.hold('image')
    assert pool.usage.is_watched(id_)
    assert pool.usage.watches(id_) == 1
    with pytest.raises(errors.ImageBusy):
        pool.images.remove('image')
    pool.images.resize('image', 8 * MIB)
    pool.snapshots.ensure('image', 'snap')
    pool.images.rename('image', 'renamed')
    hold.close()
    assert not pool.usage.is_watched(id_)
    assert pool.usage.watches(id_) == 0
    assert not pool.usage.is_watched('gone')
    with pytest.raises(errors.ImageNotFound):
        pool.usage.watches('gone')
    pool.snapshots.remove('renamed', 'snap')
    pool.images.remove('renamed')
    assert not pool.directory.exists('renamed')


def test_listing_by_prefix(parent):
    parent.images.create('pa', 4 * MIB, 22)
    parent.images.create('x', 4 * MIB, 22)
    found = {one.name: (one.id, one.size, one.metadata)
             for one in parent.directory.listed('pa')}
    assert found == {
        'pa': (parent.directory.id('pa'), 4 * MIB, {}),
        'parent': (parent.directory.id('parent'), 8 * MIB, {'a': '1'})}
    assert parent.directory.listed('nothing') == []


def test_a_clone(parent):
    parent.clones.clone(clones.CloneSpec(PARENT, 'child', size=16 * MIB))
    assert parent.headers.size('child') == 16 * MIB
    with pytest.raises(errors.ImageExists):
        parent.clones.clone(clones.CloneSpec(PARENT, 'child'))
    with pytest.raises(clones.SourceTooLarge):
        parent.clones.clone(clones.CloneSpec(PARENT, 'small', size=4 * MIB))
    assert not parent.directory.exists('small')
    with pytest.raises(errors.SnapshotNotFound):
        parent.clones.clone(clones.CloneSpec(
            clones.SnapshotSpec('volumes', 'parent', 'none'), 'none'))


def test_only_a_parent_that_carries_its_id_is_cloned(parent):
    spec = clones.CloneSpec(PARENT, 'child', id_key='mine',
                            parent_id_key='own')
    for value in (None, 'another'):
        if value is not None:
            parent.headers.update('parent', {'own': value})
        with pytest.raises(errors.ImageNotFound):
            parent.clones.clone(spec)
        assert not parent.directory.exists('child')
    parent.headers.update('parent', {'own': parent.directory.id('parent')})
    id_ = parent.clones.clone(spec)
    assert parent.headers.metadata('child')['mine'] == id_


def test_the_trash_keeps_a_parent_until_its_last_child_goes(parent):
    parent.clones.clone(clones.CloneSpec(PARENT, 'child'))
    id_ = parent.directory.id('parent')
    parent.trash.move('parent')
    parent.trash.move('parent')

    assert not parent.directory.exists('parent')
    assert [one.id for one in parent.trash.entries()] == [id_]
    assert not parent.trash.free(id_, 'snap')
    parent.images.remove('child')
    assert parent.trash.free(id_, 'snap')
    assert parent.trash.free(id_, 'snap')
    assert parent.trash.entries() == []


def test_a_name_in_the_trash_is_free(parent):
    parent.trash.move('parent')
    parent.images.create('parent', 4 * MIB, 22)
    assert parent.headers.size('parent') == 4 * MIB


def test_unfinished(pool):
    assert pool.unfinished.ids() == frozenset()
    pool.unfinished.remove(['never'])

    pool.unfinished.add([])
    pool.unfinished.add(['a', 'b'])
    pool.unfinished.add(['b', 'c'])
    pool.unfinished.remove(['a', 'never'])

    assert pool.unfinished.ids() == {'b', 'c'}


def test_thousands_are_unfinished(pool):
    ids = {f'{number:x}' for number in range(2500)}

    pool.unfinished.add(ids)

    assert pool.unfinished.ids() == ids
    pool.unfinished.remove(ids)
    assert pool.unfinished.ids() == frozenset()


def test_leases(pool):
    first = leases.Lease('work', 'a', 30)
    second = leases.Lease('work', 'b', 30)
    assert pool.leases.acquire(first, {'host': 'one'})
    assert not pool.leases.acquire(second, {'host': 'two'})
    assert pool.leases.holder('work') == {'host': 'one'}
    pool.leases.renew(first)
    with pytest.raises(leases.LeaseLost):
        pool.leases.renew(second)
    pool.leases.release(second)
    assert pool.leases.holder('work') == {'host': 'one'}
    pool.leases.release(first)
    assert pool.leases.holder('work') is None
    pool.leases.drop('work')
    assert pool.leases.acquire(first, {'host': 'one'})
    pool.leases.drop('work')
    assert pool.leases.acquire(second, {'host': 'two'})
    pool.leases.tidy()
    assert pool.leases.holder('work') == {'host': 'two'}
    pool.leases.release(second)
    pool.leases.tidy()
    assert pool.leases.holder('work') is None
