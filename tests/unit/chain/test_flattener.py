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
"""Which client may flatten, and when it has to end, on a pool in memory."""

import errno
import time

import pytest

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph.images import flatten as ceph_flatten
from rbd_imgdriver.ceph.wire import leases
from rbd_imgdriver.chain import flatten
from rbd_imgdriver.chain import flattener as chain_flattener
from rbd_imgdriver.chain import intents
from rbd_imgdriver.chain import names

RULES = names.Names()


@pytest.fixture
def image(pool):
    """A clone that is to be flattened; its id."""
    pool.images.create('parent', 2**23, 22)
    pool.snapshots.create('parent', 's')
    pool.clones.clone(clones.CloneSpec(
        clones.SnapshotSpec('volumes', 'parent', 's'), 'child'))
    id_ = pool.directory.id('child')
    intent = intents.Intent(id_, pool.ancestry.parent(id_))
    pool.headers.update_id(id_, {intents.KEY: intents.value(intent)})
    return id_


@pytest.fixture
def flattener():
    return chain_flattener.Flattener(1, RULES)


def test_a_flatten_goes_on_while_it_is_valid():
    progress = ceph_flatten.Progress()
    assert progress(1, 4) == 0
    progress.valid_until = time.monotonic() + 60
    assert progress(2, 4) == 0
    assert progress.percent == 50


@pytest.mark.parametrize('end', [
    lambda one: setattr(one, 'cancelled', True),
    lambda one: setattr(one, 'valid_until', time.monotonic()),
    lambda one: one.stop()])
def test_a_flatten_that_must_not_go_on(end):
    progress = ceph_flatten.Progress()
    end(progress)
    assert progress(1, 4) == -errno.ECANCELED
    with pytest.raises(errors.Cancelled):
        progress.check('it')


def test_a_flatten(pool, image):
    flatten.run(pool, image, ceph_flatten.Progress(), RULES)
    assert pool.ancestry.depth('child') == 0
    assert pool.headers.metadata('child') == {}
    assert pool.leases.holder(flatten.lease_name(image)) is None


def test_an_image_that_is_open_waits(pool, image):
    writer = pool.data.writer('child')
    flatten.run(pool, image, ceph_flatten.Progress(), RULES)
    assert pool.ancestry.depth('child') == 1
    writer.close()
    flatten.run(pool, image, ceph_flatten.Progress(), RULES)
    assert pool.ancestry.depth('child') == 0


def test_nobody_flattens_while_a_snapshot_is_made(pool, image, flattener):
    with flattener.held_off(pool, image):
        flatten.run(pool, image, ceph_flatten.Progress(), RULES)
        assert pool.ancestry.depth('child') == 1
    flatten.run(pool, image, ceph_flatten.Progress(), RULES)
    assert pool.ancestry.depth('child') == 0


def test_nobody_flattens_what_is_being_attached(pool, image, flattener):
    flattener.make_way(pool, image)
    flatten.run(pool, image, ceph_flatten.Progress(), RULES)
    assert pool.ancestry.depth('child') == 1


def test_what_nobody_wants_flattened_needs_no_lease(pool, flattener):
    pool.images.create('plain', 2**23, 22)
    id_ = pool.directory.id('plain')
    flattener.make_way(pool, id_)
    assert pool.leases.holder(flatten.stop_name(id_)) is None


def test_two_hosts(pool, image):
    theirs = leases.Lease(flatten.lease_name(image), 'theirs', 60)
    assert pool.leases.acquire(theirs, {})
    flatten.run(pool, image, ceph_flatten.Progress(), RULES)
    assert pool.ancestry.depth('child') == 1
