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
"""Volumes from volumes and snapshots, on a pool in memory."""

import pytest

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.chain import clone
from rbd_imgdriver.chain import names

OBJECT = 4 * 2**20
SIZE = 4 * OBJECT
SNAPSHOT = 'snapshot-1'


@pytest.fixture
def source(pool, write):
    pool.images.create('source', SIZE, 22)
    write('source', b'data')
    return 'source'


@pytest.fixture
def chain(pool, source):
    """Makes a chain of clones; returns the last."""
    def chain(length):
        last = source
        for number in range(length):
            pool.snapshots.create(last, SNAPSHOT)
            name = f'link-{number}'
            pool.clones.clone(clones.CloneSpec(
                clones.SnapshotSpec('volumes', last, SNAPSHOT), name))
            last = name
        return last

    return chain


def cloner(pool, flattener, limit=5):
    return clone.Cloner(pool, limit, flattener)


def test_a_clone(pool, flattener, source, data):
    cloner(pool, flattener).clone_volume(source, False, clone.Wanted('new'))

    assert pool.ancestry.depth('new') == 1
    assert data('new') == b'data'
    assert list(pool.snapshots.counts().values()) == [1, 0]
    assert not [one for one in flattener.asked if one[0] == 'request']


def test_a_source_that_has_not_changed_needs_no_second_snapshot(
        pool, flattener, source, write):
    both = cloner(pool, flattener)
    both.clone_volume(source, False, clone.Wanted('new'))
    both.clone_volume(source, False, clone.Wanted('second'))
    assert pool.snapshots.counts()[source] == 1

    write(source, b'more', OBJECT)
    both.clone_volume(source, False, clone.Wanted('third'))
    assert pool.snapshots.counts()[source] == 2


def test_a_source_in_use_is_cloned_as_it_is_now(pool, flattener, source):
    both = cloner(pool, flattener)
    both.clone_volume(source, True, clone.Wanted('new'))
    both.clone_volume(source, True, clone.Wanted('second'))
    assert pool.snapshots.counts()[source] == 2


def test_a_snapshot_of_an_earlier_attempt_is_not_what_is_wanted(
        pool, flattener, source, write, data):
    pool.snapshots.create(source, names.clone_snapshot('new'))
    write(source, b'newer')
    cloner(pool, flattener).clone_volume(source, True, clone.Wanted('new'))
    assert data('new') == b'newer'


@pytest.mark.parametrize('in_use', [False, True])
def test_a_limit_of_0_means_copies(pool, flattener, chain, data, in_use):
    source = chain(2)
    cloner(pool, flattener, limit=0).clone_volume(source, in_use,
                                                  clone.Wanted('new'))
    assert pool.ancestry.depth('new') == 0
    assert data('new') == b'data'
    assert pool.snapshots.counts()[source] == 0


def test_at_the_limit_a_lone_source_is_flattened(pool, flattener, chain,
                                                 data):
    source = chain(2)
    cloner(pool, flattener, limit=2).clone_volume(source, False,
                                                  clone.Wanted('new'))
    assert pool.ancestry.depth('new') == 2
    assert data('new') == b'data'
    assert pool.snapshots.counts()[source] == 0
    assert flattener.asked == [('request', source)]


def test_at_the_limit_a_source_with_clones_stays(pool, flattener, chain):
    source = chain(2)
    pool.snapshots.create(source, 'users')
    cloner(pool, flattener, limit=2).clone_volume(source, False,
                                                  clone.Wanted('new'))
    assert pool.ancestry.depth('new') == 3
    assert ('request', 'new') in flattener.asked


def test_beyond_the_limit_the_create_waits_for_the_flatten(pool, flattener,
                                                           chain):
    source = chain(3)
    cloner(pool, flattener, limit=2).clone_volume(source, False,
                                                  clone.Wanted('new'))
    assert flattener.asked[-2:] == [('request', 'new'), ('settle', 'new')]


def test_a_temporary_volume_may_be_deep(pool, flattener, chain):
    source = chain(3)
    cloner(pool, flattener, limit=2).clone_volume(
        source, False, clone.Wanted('new', temporary=True))
    assert not [one for one in flattener.asked if one[0] == 'request']


def test_a_larger_volume(pool, flattener, source):
    cloner(pool, flattener).clone_volume(source, False,
                                         clone.Wanted('new', 2 * SIZE))
    assert pool.headers.size('new') == 2 * SIZE


def test_a_smaller_volume_is_not_made(pool, flattener, source):
    with pytest.raises(clones.SourceTooLarge):
        cloner(pool, flattener).clone_volume(source, False,
                                             clone.Wanted('new', OBJECT))
    assert sorted(pool.directory.ids()) == [source]
    assert pool.snapshots.counts() == {source: 0}


def test_no_source(pool, flattener):
    with pytest.raises(errors.ImageNotFound):
        cloner(pool, flattener).clone_volume('none', False,
                                             clone.Wanted('new'))


def test_a_volume_from_a_snapshot(pool, flattener, source, write, data):
    pool.snapshots.create(source, SNAPSHOT)
    write(source, b'later')
    cloner(pool, flattener).from_snapshot(
        source, SNAPSHOT, clone.Wanted('new', growth=OBJECT), flatten=False)
    assert data('new') == b'data'
    assert pool.headers.size('new') == SIZE + OBJECT
    assert flattener.asked == []


def test_a_volume_that_is_to_be_independent(pool, flattener, source):
    pool.snapshots.create(source, SNAPSHOT)
    cloner(pool, flattener).from_snapshot(source, SNAPSHOT,
                                          clone.Wanted('new'), flatten=True)
    assert flattener.asked == [('request', 'new')]


def test_a_volume_that_cannot_grow_is_undone(pool, flattener, source):
    class Full(type(pool.images)):
        def resize(self, image, size):
            raise errors.NoSpace('full')

    pool.images = Full(pool.images._pool)
    pool.snapshots.create(source, SNAPSHOT)
    with pytest.raises(errors.NoSpace):
        cloner(pool, flattener).from_snapshot(
            source, SNAPSHOT, clone.Wanted('new', growth=1), flatten=False)
    assert not pool.directory.exists('new')
