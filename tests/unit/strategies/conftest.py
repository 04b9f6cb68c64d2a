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
"""A create on a pool in memory."""

import dataclasses

import pytest

from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver import model
from tests.contract import fake_model
from tests.contract import fake_pool

IMAGE_ID = '11111111-0000-4000-8000-000000000000'


class Events:
    """Remembers what is reported to it."""

    def __init__(self):
        self.reported = []

    def cache(self, action, image_id):
        self.reported.append(action)


class Volumes:
    """Cinder's volumes, by id."""

    def __init__(self):
        self.known = {}

    def image_volume(self, volume_id):
        return self.known.get(volume_id)


@pytest.fixture
def pool():
    return fake_pool.FakePool()


@pytest.fixture
def images(pool):
    """Glance's pool, with one image of 1 GiB."""
    images = pool.sibling('images')
    images.images.create(IMAGE_ID, model.GIB, 23)
    images.snapshots.create(IMAGE_ID, 'snap')
    return images


@pytest.fixture
def url():
    return f'rbd://{fake_model.FSID}/images/{IMAGE_ID}/snap'


@pytest.fixture
def store(pool):
    return cache_store.Store(pool, clock=lambda: 1000.0)


@pytest.fixture
def create():
    """Makes the request for a volume of a raw image."""
    def request(*locations, size=model.GIB, project_id='mine',
                replicated=False, **changes):
        image = model.Image(
            IMAGE_ID, 'image', 'raw', 'bare', model.GIB, owner='theirs',
            hash_algo='sha512', hash_value='ab' * 64, locations=locations)
        return model.Request(
            dataclasses.replace(image, **changes),
            model.Target('id', 'volume-id', size, project_id, replicated),
            data=None, volumes=Volumes(), events=Events())

    return request
