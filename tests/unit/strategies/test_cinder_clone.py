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
"""cinder-clone on a pool in memory."""

import dataclasses

import pytest

from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver import errors
from rbd_imgdriver import model
from rbd_imgdriver.strategies import cinder_clone
from rbd_imgdriver.strategies import maker
from tests.unit.strategies import conftest

VOLUME_ID = '22222222-0000-4000-8000-000000000000'
URL = f'cinder://{VOLUME_ID}'
SOURCE = f'volume-{VOLUME_ID}'
KEY = cinder_clone.SNAPSHOT_KEY + conftest.IMAGE_ID


VOLUME = model.ImageVolume(VOLUME_ID, SOURCE, 'theirs',
                           image_id=conftest.IMAGE_ID, read_only=True)


class Cloner:
    """Makes snapshots, and remembers whose depth it was to limit."""

    def __init__(self):
        self.limited = []

    def snapshot(self, pool, image, snapshot):
        pool.snapshots.create(image, snapshot)

    def limit_depth(self, image):
        self.limited.append(image)


@pytest.fixture(params=['volumes', 'volumes2'])
def source(pool, request):
    """The pool of the volume that backs the image."""
    source = pool.sibling(request.param)
    source.images.create(SOURCE, model.GIB, 22, {'rbd-imgdriver/x': 'its'})
    return source


@pytest.fixture
def request_of(create):
    """A create by the project that owns the image."""
    def request(*locations, project_id='theirs', volume=VOLUME, **changes):
        found = create(*(locations or (URL,)), project_id=project_id,
                       **changes)
        found.volumes.known[VOLUME_ID] = volume
        return found

    return request


def strategy(pool, depth=5, allowed=True, cloner=None):
    return cinder_clone.CinderClone(maker.Maker(pool, 22, depth), allowed,
                                    cloner or Cloner())


def test_a_clone_of_the_image_volume(pool, source, request_of):
    cloner = Cloner()
    answer = strategy(pool, cloner=cloner).attempt(request_of())

    snapshot = f'{conftest.IMAGE_ID}.clone_snap'
    assert answer == model.Created(
        parent=f'{source.name}/{SOURCE}@{snapshot}')
    assert pool.ancestry.depth('volume-id') == 1
    assert source.headers.metadata(SOURCE)[KEY] == snapshot
    assert cloner.limited == []
    assert 'rbd-imgdriver/x' not in pool.headers.metadata('volume-id')


@pytest.mark.parametrize('times', [1, 2])
def test_a_clone_of_a_clone_is_kept_within_the_limit(pool, request_of, times):
    pool.images.create('parent', model.GIB, 22)
    pool.snapshots.create('parent', 'snap')
    pool.clones.clone(clones.CloneSpec(
        clones.SnapshotSpec('volumes', 'parent', 'snap'), SOURCE))
    cloner = Cloner()
    for number in range(times):
        request = request_of()
        strategy(pool, cloner=cloner).attempt(dataclasses.replace(
            request, target=dataclasses.replace(
                request.target, name=f'volume-{number}')))
    assert cloner.limited == [f'volume-{number}' for number in range(times)]


def test_one_snapshot_serves_all_volumes(pool, source, request_of):
    strategy(pool).attempt(request_of())
    again = request_of()
    again = dataclasses.replace(again, target=dataclasses.replace(
        again.target, name='volume-second'))
    strategy(pool).attempt(again)
    assert source.snapshots.counts()[SOURCE] == 1


def test_a_snapshot_that_went_with_its_last_clone_is_made_again(
        pool, source, request_of):
    strategy(pool).attempt(request_of())
    source.snapshots.remove(SOURCE, f'{conftest.IMAGE_ID}.clone_snap')
    pool.images.remove('volume-id')
    answer = strategy(pool).attempt(request_of())
    assert isinstance(answer, model.Created)


def test_a_snapshot_that_an_attempt_left_is_used(pool, source, request_of):
    source.snapshots.create(SOURCE, f'{conftest.IMAGE_ID}.clone_snap')
    answer = strategy(pool).attempt(request_of())
    assert isinstance(answer, model.Created)
    assert source.snapshots.counts()[SOURCE] == 1


@pytest.mark.parametrize(('depth', 'replicated'), [(0, False), (5, True)])
@pytest.mark.usefixtures('source')
def test_a_volume_that_may_have_no_parent(pool, request_of, depth,
                                          replicated):
    answer = strategy(pool, depth).attempt(request_of(replicated=replicated))
    assert answer == model.Created()
    assert pool.ancestry.depth('volume-id') == 0


def test_a_volume_of_the_services_serves_other_projects(pool, source,
                                                        request_of):
    answer = strategy(pool).attempt(request_of(project_id='mine'))
    assert answer.code == 'volume-of-tenant'
    assert source.snapshots.counts()[SOURCE] == 0
    kept = dataclasses.replace(VOLUME, project_id='service', of_service=True,
                               image_owner='theirs')
    answer = strategy(pool).attempt(request_of(project_id='mine',
                                               volume=kept))
    assert isinstance(answer, model.Created)


@pytest.mark.parametrize(('changes', 'code'), [
    ({'volume': dataclasses.replace(VOLUME, encrypted=True)}, 'encrypted'),
    ({'volume': dataclasses.replace(VOLUME, image_id='other')},
     'not-the-image'),
    ({'volume': dataclasses.replace(VOLUME, project_id='mine')}, 'not-owner'),
    ({'volume': dataclasses.replace(VOLUME, read_only=False)}, 'writable'),
    ({'owner': None, 'project_id': None}, 'not-owner'),
    ({'signature': 'some'}, 'signature-unverified'),
    ({'disk_format': 'qcow2'}, 'not-raw'),
    ({'container_format': 'ovf'}, 'not-raw'),
    ({'locations': ()}, 'no-location'),
    ({'locations': ('cinder://',)}, 'malformed-location'),
    ({'locations': (f'cinder://{VOLUME_ID[:-1]}1',)}, 'no-volume'),
])
def test_why_it_declines(pool, source, request_of, changes, code):
    answer = strategy(pool).attempt(request_of(**changes))
    assert answer.code == code
    assert source.snapshots.counts()[SOURCE] == 0


def test_it_is_not_allowed(pool, request_of):
    answer = strategy(pool, allowed=False).attempt(request_of())
    assert answer.code == 'not-allowed'


def test_a_volume_that_no_pool_holds(pool, request_of):
    assert strategy(pool).attempt(request_of()).code == 'wrong-cluster'


def test_a_clone_that_fails_leaves_no_snapshot(pool, source, request_of):
    with pytest.raises(errors.ImageTooLarge):
        strategy(pool).attempt(request_of(size=model.GIB // 2))
    assert source.snapshots.counts() == {SOURCE: 0}


def test_a_snapshot_that_cannot_be_removed_is_named(pool, source,
                                                    request_of):
    """The first error is reported, with what is left behind."""
    class Refusing(type(pool.snapshots)):
        def remove(self, image, snapshot):
            raise ceph_errors.ImageBusy('no')

    class Busy(type(pool.clones)):
        def clone(self, spec):
            raise ceph_errors.TimedOut('no answer')

    def sibling(name):
        return source

    source.snapshots = Refusing(source.snapshots._pool)
    pool.clones = Busy(pool.clones._pool)
    pool.holding = sibling
    answer = strategy(pool).attempt(request_of())
    assert answer.code == 'timed-out'
    assert 'no answer; left behind' in answer.reason
