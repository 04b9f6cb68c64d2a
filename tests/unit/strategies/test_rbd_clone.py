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
"""rbd-clone on a pool in memory."""

import pytest

from rbd_imgdriver import errors
from rbd_imgdriver import model
from rbd_imgdriver.strategies import maker
from rbd_imgdriver.strategies import rbd_clone
from tests.contract import fake_model
from tests.unit.strategies import conftest

pytestmark = pytest.mark.usefixtures('images')


@pytest.fixture
def strategy(pool):
    return rbd_clone.RbdClone(maker.Maker(pool, 22, 0),
                              {'volumes', 'volumes2'})


def test_a_clone_of_glances_snapshot_at_any_depth(strategy, pool, create, url):
    answer = strategy.attempt(create(url, size=2 * model.GIB))

    assert answer == model.Created(
        parent=f'images/{conftest.IMAGE_ID}@snap')
    assert pool.ancestry.depth('volume-id') == 1
    assert pool.headers.size('volume-id') == 2 * model.GIB
    assert pool.headers.metadata('volume-id') == {
        'rbd-imgdriver/strategy': 'rbd-clone',
        'rbd-imgdriver/declined': '-', 'rbd-imgdriver/bytes_moved': '0'}


def test_a_replicated_volume_is_a_copy(strategy, pool, create, url):
    assert strategy.attempt(create(url, replicated=True)) == model.Created()
    assert pool.ancestry.depth('volume-id') == 0


def test_the_first_location_that_can_be_cloned(strategy, create, url):
    answer = strategy.attempt(create(
        'http://elsewhere/image', 'rbd://broken',
        url.replace('snap', 'no'), url))
    assert isinstance(answer, model.Created)


@pytest.mark.parametrize(('location', 'code'), [
    (None, 'no-location'),
    ('cinder://id', 'no-location'),
    ('rbd://only-one-part', 'malformed-location'),
    (f'rbd://other-cluster/images/{conftest.IMAGE_ID}/snap',
     'wrong-cluster'),
    (f'rbd://{fake_model.FSID}/volumes/{conftest.IMAGE_ID}/snap',
     'pool-of-volumes'),
    (f'rbd://{fake_model.FSID}/images/{conftest.IMAGE_ID[:-1]}1/snap',
     'not-the-image'),
    (f'rbd://{fake_model.FSID}/images/{conftest.IMAGE_ID}/other',
     'not-the-image'),
    (f'rbd://{fake_model.FSID}/gone/{conftest.IMAGE_ID}/snap',
     'pool-not-found'),
])
def test_why_it_declines(strategy, pool, create, location, code):
    locations = [location] if location else []
    assert strategy.attempt(create(*locations)).code == code
    assert pool.directory.ids() == {}


def test_a_snapshot_that_is_gone(strategy, images, create, url):
    images.snapshots.remove(conftest.IMAGE_ID, 'snap')
    assert strategy.attempt(create(url)).code == 'snapshot-not-found'


def test_an_image_that_is_gone(strategy, images, create, url):
    images.snapshots.remove(conftest.IMAGE_ID, 'snap')
    images.images.remove(conftest.IMAGE_ID)
    assert strategy.attempt(create(url)).code == 'image-not-found'


@pytest.mark.parametrize(('changes', 'code'), [
    ({'disk_format': 'qcow2'}, 'not-raw'),
    ({'container_format': 'compressed'}, 'not-raw'),
    ({'signature': 'some'}, 'signature-unverified')])
def test_images_that_are_not_cloned(strategy, pool, create, url, changes,
                                    code):
    assert strategy.attempt(create(url, **changes)).code == code
    assert pool.directory.ids() == {}


def test_an_image_that_does_not_fit_ends_the_create(strategy, pool, create,
                                                    url):
    with pytest.raises(errors.ImageTooLarge):
        strategy.attempt(create(url, size=model.GIB // 2))
    assert pool.directory.ids() == {}


def test_a_name_that_is_taken_ends_the_create(strategy, pool, create, url):
    pool.images.create('volume-id', 1, 22)
    with pytest.raises(errors.VolumeExists):
        strategy.attempt(create(url))
    assert pool.headers.size('volume-id') == 1
