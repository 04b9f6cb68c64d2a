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
"""Moves and clones, whatever another host does on the way."""

import contextlib

import pytest

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.chain import chains
from rbd_imgdriver.chain import clone
from rbd_imgdriver.chain import move
from rbd_imgdriver.chain import moving as chain_moving
from rbd_imgdriver import model
from tests.chaos import accidents
from tests.chaos import turns
from tests.contract import fake_pool

GIB = 2**30
CALLS = range(1, 40)
SNAPSHOT = 'volume-b.clone_snap'


@pytest.fixture
def pool():
    made = fake_pool.FakePool()
    made.images.create('volume-a', GIB, 22)
    made.snapshots.create('volume-a', SNAPSHOT)
    made.clones.clone(clones.CloneSpec(
        clones.SnapshotSpec('volumes', 'volume-a', SNAPSHOT), 'volume-b',
        GIB))
    return made


@pytest.fixture
def moving(pool):
    """Moves the clone, with something before the n-th call to Ceph."""
    def move(number, accident, calls=None) -> None:
        calls = calls or accidents.Calls()
        counted = accidents.count(pool.sibling('volumes'), calls)
        calls.at(number, accident)
        chains.Chains(counted, chains.Options()).move('volume-b', 'volumes2')

    return move


@pytest.mark.parametrize('number', CALLS)
def test_the_parents_snapshot_goes_meanwhile(pool, moving, number):
    """Somebody deletes the volume that it was cloned from."""
    moving(number, lambda: pool.snapshots.remove('volume-a', SNAPSHOT))
    assert not pool.directory.exists('volume-b')
    assert pool.sibling('volumes2').directory.exists('volume-b')


@pytest.mark.parametrize('number', CALLS)
def test_what_is_refused_leaves_no_copy(pool, moving, number):
    """Cinder goes on to copy the volume itself, under the same name."""
    def fail() -> None:
        raise errors.PermissionDenied('not now')

    try:
        moving(number, fail)
    except move.SourceRemains:
        assert pool.sibling('volumes2').directory.exists('volume-b')
    except errors.PermissionDenied:
        assert pool.directory.exists('volume-b')
        assert not pool.sibling('volumes2').directory.exists('volume-b')
    else:
        assert pool.sibling('volumes2').directory.exists('volume-b')


@pytest.mark.parametrize('number', CALLS)
def test_a_host_that_dies(pool, moving, number):
    """The next start removes the copy, unless the source was to go."""
    calls = accidents.Calls()
    target = pool.sibling('volumes2')
    with contextlib.suppress(accidents.Crash):
        moving(number, calls.crash, calls)
    marked = model.MOVED_MARK in (
        pool.headers.metadata('volume-b')
        if pool.directory.exists('volume-b') else ())

    for _ in range(2):
        chains.Chains(pool, chains.Options()).resume()

    is_here = pool.directory.exists('volume-b')
    assert target.directory.exists('volume-b') == (marked or not is_here)
    if is_here:
        assert chain_moving.KEY not in pool.headers.metadata('volume-b')
        assert pool.headers.size('volume-b') == GIB
    assert pool.unfinished.ids() == frozenset()


@pytest.mark.parametrize('number', CALLS)
def test_a_host_that_is_taken_for_dead(pool, moving, number):
    """It stood still; when it goes on, not both images are removed."""
    other = chains.Chains(pool, chains.Options())
    try:
        moving(number, other.resume)
    except errors.CephError:
        assert pool.directory.exists('volume-b')
        assert not pool.sibling('volumes2').directory.exists('volume-b')
    else:
        assert pool.sibling('volumes2').directory.exists('volume-b')
        assert not pool.directory.exists('volume-b')


@pytest.mark.parametrize('number', CALLS)
def test_a_clone_beside_one_that_comes_and_goes(number):
    """Whose deletion frees the snapshot that both are made of."""
    pool = fake_pool.FakePool()
    pool.images.create('volume-a', GIB, 22)
    both, hosts = turns.Turns(patience=0), []
    for _ in range(2):
        calls = accidents.Calls()
        calls.has_to_wait = both.wait
        hosts.append((calls, chains.Chains(accidents.count(
            pool.sibling('volumes'), calls), chains.Options())))
    (calls, one), (_, other) = hosts

    def comes_and_goes() -> None:
        other.cloner.clone_volume('volume-a', False, clone.Wanted('volume-c'))
        other.deleter.delete('volume-c')

    calls.at(number, lambda: both.begin(comes_and_goes))
    one.cloner.clone_volume('volume-a', False, clone.Wanted('volume-b'))
    both.end()

    assert sorted(pool.directory.ids()) == ['volume-a', 'volume-b']
    assert pool.ancestry.depth('volume-b') == 1
