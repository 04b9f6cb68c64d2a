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
"""All strategies, for real and in a dry run, and copies or clones."""

import pytest

from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.ceph import dry_run
from rbd_imgdriver import model
from rbd_imgdriver import opts
from rbd_imgdriver.strategies import builder
from rbd_imgdriver.strategies import maker

RULES = builder.Rules(22, 5, frozenset({'volumes', 'volumes2'}), True)
REPLICATED = model.Target('id', 'volume-id', 1, replicated=True)
ALONE = model.Target('id', 'volume-id', 1)


class Cloner:
    """Makes snapshots only."""

    def snapshot(self, pool, image, snapshot):
        pool.snapshots.ensure(image, snapshot)

    def limit_depth(self, image):
        """Nothing."""


def build(pool):
    return builder.build(RULES, builder.Tools(
        pool, Cloner(), cache_store.Store(pool), importer=None, filler=None))


def test_every_strategy_that_can_be_configured_is_built(pool):
    assert set(build(pool)) == set(opts.CASCADE)


@pytest.mark.usefixtures('images')
def test_a_dry_run_says_the_same_and_does_nothing(pool, create, url):
    request = create(url, 'cinder://22222222-0000-4000-8000-000000000000')
    trying = build(dry_run.DryRun(pool))
    answers = {name: trying[name].attempt(request)
               for name in trying if name != 'import'}
    assert pool.directory.ids() == {}
    real = build(pool)
    assert answers == {name: real[name].attempt(request) for name in answers}


@pytest.mark.parametrize(('target', 'max_depth', 'of_glance', 'copied'), [
    (ALONE, 5, False, False), (ALONE, 5, True, False),
    (ALONE, 0, False, True), (ALONE, -1, False, True),
    (ALONE, 0, True, False),
    (REPLICATED, 5, False, True), (REPLICATED, 0, True, True)])
def test_copy_or_clone(target, max_depth, of_glance, copied):
    assert maker.must_copy(target, max_depth, of_glance) == copied
