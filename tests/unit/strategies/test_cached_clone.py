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
"""cached-clone on a pool in memory."""

import pytest

from rbd_imgdriver.cache import names
from rbd_imgdriver import errors
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from rbd_imgdriver.strategies import cached_clone
from rbd_imgdriver.strategies import maker


@pytest.fixture
def cached(store, create):
    """The image is in the cache."""
    image = create().image
    partial = temporary.new_name(names.golden(image))
    store.pool.images.create(partial, model.GIB, 22)
    store.publish(partial, names.golden(image), image)
    return names.golden(image)


def strategy(store, depth=5):
    return cached_clone.CachedClone(maker.Maker(store.pool, 22, depth),
                                    store)


def test_a_hit(pool, store, cached, create):
    request = create(size=2 * model.GIB)

    answer = strategy(store).attempt(request)

    assert answer == model.Created(
        parent=f'volumes/{cached}@{names.SNAPSHOT}', strategy='cached-clone')
    assert pool.ancestry.depth('volume-id') == 1
    assert pool.headers.size('volume-id') == 2 * model.GIB
    assert pool.headers.metadata('volume-id')[
        'rbd-imgdriver/strategy'] == 'cached-clone'
    assert request.events.reported == ['hit']
    assert not store.in_use()


def test_a_miss(pool, store, create):
    request = create()
    assert strategy(store).attempt(request).code == 'not-cached'
    assert request.events.reported == ['miss']
    assert pool.directory.ids() == {}


def test_the_cache_is_off(pool, create):
    off = cached_clone.CachedClone(maker.Maker(pool, 22, 5), None)
    assert off.attempt(create()).code == 'cache-off'


def test_an_entry_that_was_evicted_is_a_miss(store, cached, create):
    store.retire(cached)
    assert strategy(store).attempt(create()).code == 'not-cached'


@pytest.mark.parametrize(('depth', 'replicated'), [(0, False), (5, True)])
@pytest.mark.usefixtures('cached')
def test_a_volume_that_may_have_no_parent(pool, store, create, depth,
                                          replicated):
    answer = strategy(store, depth).attempt(create(replicated=replicated))
    assert answer.parent == ''
    assert pool.ancestry.depth('volume-id') == 0


@pytest.mark.usefixtures('cached')
def test_an_image_that_does_not_fit_ends_the_create(store, create):
    with pytest.raises(errors.ImageTooLarge):
        strategy(store).attempt(create(size=model.GIB // 2))


def test_a_use_is_recorded(store, cached, create):
    before = store.pool.headers.metadata(cached)
    later = type(store)(store.pool, clock=lambda: 2000.0)
    strategy(later).attempt(create())
    assert store.pool.headers.metadata(cached) != before
