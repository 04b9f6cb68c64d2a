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
"""Deleting volumes, on a pool in memory."""

import pytest

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.chain import delete
from rbd_imgdriver.chain import names
from rbd_imgdriver import model

SIZE = 4 * 2**20


@pytest.fixture
def make(pool):
    """Makes a volume, a clone of another one if that is given."""
    def make(name, source=None):
        image = f'volume-{name}'
        if source is None:
            pool.images.create(image, SIZE, 22)
            return image
        snapshot = names.clone_snapshot(image)
        pool.snapshots.create(source, snapshot)
        pool.clones.clone(clones.CloneSpec(
            clones.SnapshotSpec('volumes', source, snapshot), image))
        return image

    return make


def deleter(pool, flattener, deferment=None):
    return delete.Deleter(pool, names.Names(), flattener, deferment,
                          patience=0)


def test_a_volume(pool, flattener, make):
    volume = make('a')
    id_ = pool.directory.id(volume)
    deleter(pool, flattener).delete(volume)
    assert pool.directory.ids() == {}
    assert pool.trash.entries() == []
    assert flattener.asked == [('cancel', id_)]


def test_a_volume_that_is_gone(pool, flattener):
    deleter(pool, flattener).delete('volume-none')


def test_a_clone_takes_its_snapshot_along(pool, flattener, make):
    source = make('a')
    deleter(pool, flattener).delete(make('b', source))
    assert pool.snapshots.counts() == {source: 0}


def test_a_source_stays_out_of_sight_until_its_last_clone_goes(
        pool, flattener, make):
    both = deleter(pool, flattener)
    source = make('a')
    children = [make('b', source), make('c', source)]

    both.delete(source)
    assert source not in pool.directory.ids()
    assert [one.name for one in pool.trash.entries()] == [source]
    both.delete(children[0])
    assert len(pool.trash.entries()) == 1
    assert pool.ancestry.depth(children[1]) == 1
    both.delete(children[1])
    assert pool.trash.entries() == []


def test_a_chain_goes_with_its_last_link(pool, flattener, make):
    both = deleter(pool, flattener)
    first = make('a')
    second = make('b', first)
    third = make('c', second)
    both.delete(first)
    both.delete(second)
    assert {one.name for one in pool.trash.entries()} == {first, second}
    both.delete(third)
    assert pool.trash.entries() == []
    assert pool.directory.ids() == {}


def test_a_snapshot_of_the_user_stays(pool, flattener, make):
    """Cinder refuses before; what Cinder does not know is not ours."""
    volume = make('a')
    pool.snapshots.create(volume, 'by-hand')
    id_ = pool.directory.id(volume)
    deleter(pool, flattener).delete(volume)
    assert [one.id for one in pool.trash.entries()] == [id_]
    assert pool.usage.of_trashed(id_).snapshots == ('by-hand',)


def test_a_volume_that_is_open(pool, flattener, make):
    for volume in (make('a'), make('b', make('c'))):
        writer = pool.data.writer(volume)
        with pytest.raises(errors.ImageBusy):
            deleter(pool, flattener).delete(volume)
        assert pool.directory.exists(volume)
        writer.close()


def test_a_source_that_is_open_keeps_its_snapshots(pool, flattener, make):
    source = make('a')
    make('b', source)
    writer = pool.data.writer(source)
    with pytest.raises(errors.ImageBusy):
        deleter(pool, flattener).delete(source)
    writer.close()
    assert pool.usage.of(source).snapshots == ('volume-b.clone_snap',)


def test_deferred_deletion(pool, flattener, make):
    volume = make('a')
    deleter(pool, flattener, deferment=600).delete(volume)
    [entry] = pool.trash.entries()
    assert entry.deferred_until > 0
    deleter(pool, flattener, deferment=600).purge()
    assert len(pool.trash.entries()) == 1


def test_the_purge_takes_what_nothing_needs(pool, flattener, make):
    both = deleter(pool, flattener, deferment=0)
    source = make('a')
    clone = make('b', source)
    both.delete(source)
    both.purge()
    assert [one.name for one in pool.trash.entries()] == [source]
    both.delete(clone)
    both.purge()
    assert pool.trash.entries() == []


def test_the_purge_leaves_what_is_not_ours(pool, flattener, make):
    pool.images.create('foreign', SIZE, 22)
    pool.snapshots.create('foreign', 'by-hand')
    pool.trash.move('foreign')
    deleter(pool, flattener).purge()
    assert [one.name for one in pool.trash.entries()] == ['foreign']


def test_a_golden_image_goes_with_its_last_volume(pool, flattener, make):
    golden = 'image-cache-x'
    pool.images.create(golden, SIZE, 22, id_key=model.ENTRY_MARK)
    pool.snapshots.create(golden, 'image')
    pool.clones.clone(clones.CloneSpec(
        clones.SnapshotSpec('volumes', golden, 'image'), 'volume-a'))
    pool.trash.move(golden)
    deleter(pool, flattener).delete('volume-a')
    assert pool.trash.entries() == []


def test_what_is_only_called_so_stays_in_the_trash(pool, flattener, make):
    make('b')
    for name in ('image-cache-x', 'volume-b'):
        if name != 'volume-b':
            pool.images.create(name, SIZE, 22)
        pool.snapshots.create(name, 'x.clone_snap')
        pool.clones.clone(clones.CloneSpec(
            clones.SnapshotSpec('volumes', name, 'x.clone_snap'),
            f'volume-of-{name}'))
        pool.trash.move(name)
        deleter(pool, flattener).delete(f'volume-of-{name}')
    assert {one.name for one in pool.trash.entries()} == {
        'image-cache-x', 'volume-b'}


def test_a_golden_image_in_the_cache_stays(pool, flattener, make):
    golden = 'image-cache-x'
    pool.images.create(golden, SIZE, 22)
    pool.snapshots.create(golden, 'golden')
    pool.clones.clone(clones.CloneSpec(
        clones.SnapshotSpec('volumes', golden, 'golden'), 'volume-a'))
    deleter(pool, flattener).delete('volume-a')
    assert pool.snapshots.counts() == {golden: 1}
