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
"""import on a pool in memory, with an importer that only makes the image."""

import pytest

from rbd_imgdriver.cache import eviction
from rbd_imgdriver.cache import fill
from rbd_imgdriver.cache import names
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver import errors
from rbd_imgdriver.importer import importer as importers
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from rbd_imgdriver.strategies import cached_clone
from rbd_imgdriver.strategies import import_image
from rbd_imgdriver.strategies import maker
from rbd_imgdriver import undo


class Importer:
    """Makes an empty image of the size asked for, or fails."""

    def __init__(self):
        self.error = None
        self.names = []

    def import_image(self, image, data, target, *, publish, progress=None,
                     golden=None):
        pool = target.pool
        self.names.append(target.name)
        if self.error:
            raise self.error
        size = target.size or image.minimal_size
        partial = target.partial or temporary.new_name(target.name)
        id_ = pool.images.create(partial, size, target.order,
                                 id_key=temporary.MARK)
        whole = importers.Imported(partial, size, 7)
        with undo.on_error(partial, lambda: pool.images.remove(partial, id_)):
            publish(whole)
        return whole


@pytest.fixture
def importer():
    return Importer()


@pytest.fixture
def strategy(pool, store, importer):
    """Builds the strategy, with the cache or without."""
    def build(limits=None):
        cached = cached_clone.CachedClone(maker.Maker(pool, 22, 5), store)
        filler = limits and fill.Filler(store, importer, limits, 22)
        return import_image.ImportImage(pool, importer, 22, filler, cached)

    return build


def test_without_a_cache_the_data_goes_into_the_volume(pool, strategy,
                                                       importer, create):
    answer = strategy().attempt(create(size=2 * model.GIB))
    assert answer == model.Created(bytes_moved=7)
    assert importer.names == ['volume-id']
    assert pool.headers.size('volume-id') == 2 * model.GIB
    assert pool.headers.metadata('volume-id') == {
        'rbd-imgdriver/strategy': 'import', 'rbd-imgdriver/declined': '-',
        'rbd-imgdriver/bytes_moved': '7'}


def test_with_a_cache_the_volume_is_a_clone_of_the_entry(pool, strategy,
                                                         create):
    request = create()
    golden = names.golden(request.image)
    answer = strategy(eviction.Limits()).attempt(request)
    assert answer == model.Created(
        parent=f'volumes/{golden}@{names.SNAPSHOT}', bytes_moved=7,
        strategy='import')
    assert sorted(pool.directory.ids()) == sorted([golden, 'volume-id'])


def test_what_somebody_else_imported_is_a_hit(pool, strategy, importer,
                                              create):
    build = strategy(eviction.Limits())
    build.attempt(create())
    pool.images.remove('volume-id')
    answer = build.attempt(create())
    assert answer.strategy == 'cached-clone'
    assert answer.bytes_moved == 0
    assert len(importer.names) == 1


def test_an_image_that_the_cache_cannot_take(pool, strategy, importer,
                                             create):
    limits = eviction.Limits(size_gb=1, count=1)
    answer = strategy(limits).attempt(create(
        size=3 * model.GIB, virtual_size=3 * model.GIB))
    assert answer == model.Created(bytes_moved=7)
    assert importer.names == ['volume-id']
    assert pool.ancestry.depth('volume-id') == 0


def test_an_image_that_is_no_good_ends_the_create(pool, strategy, importer,
                                                  create):
    importer.error = errors.ImageDamaged('image', 'it is')
    for limits in (None, eviction.Limits()):
        with pytest.raises(errors.ImageDamaged):
            strategy(limits).attempt(create())
    assert pool.directory.ids() == {}


@pytest.mark.parametrize(('error', 'raised'), [
    (ceph_errors.NoSpace('full'), errors.NoSpace),
    (ceph_errors.TimedOut('no answer'), errors.BackendFailed),
    (ceph_errors.ImageExists('taken'), errors.VolumeExists),
])
def test_a_failure_of_ceph_ends_the_create(strategy, importer, create, error,
                                           raised):
    """There is no strategy after it."""
    importer.error = error
    with pytest.raises(raised):
        strategy().attempt(create())
