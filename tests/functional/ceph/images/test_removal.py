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
"""Two clients that remove one image, or its snapshots, take turns.

Else librbd ends the process of the one that has begun.
"""

import contextlib

import pytest
import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import removal
from rbd_imgdriver.ceph.wire import leases
from rbd_imgdriver.chain import names
from rbd_imgdriver.chain import release
from sandbox import polling
from tests.functional.ceph.clients import blocklist
from tests.functional.ceph.clients import handle
from tests.functional.ceph.clients import own_pool


@pytest.fixture
def image_id(pool) -> str:
    id_ = pool.images.create('volume-1', 2**22, 22)
    pool.snapshots.create('volume-1', 'one')
    return id_


def another(image_id: str, seconds: float) -> leases.Lease:
    return leases.Lease(removal.lease_name(image_id), 'another', seconds)


def test_what_another_client_removes_is_busy(pool, image_id):
    lease = another(image_id, 300)
    assert pool.leases.acquire(lease, {'host': 'another'})
    for action in (lambda: pool.snapshots.remove('volume-1', 'one'),
                   lambda: pool.snapshots.drop(image_id, 'one', 'one'),
                   lambda: pool.snapshots.drop_where(image_id, bool),
                   lambda: pool.snapshots.rename(image_id, 'one', 'two'),
                   lambda: pool.images.remove('volume-1'),
                   lambda: pool.trash.move('volume-1')):
        with pytest.raises(errors.ImageBusy, match='removed by another'):
            action()
    pool.leases.release(lease)
    pool.trash.move('volume-1')
    assert pool.leases.acquire(lease, {'host': 'another'})
    for action in (lambda: pool.trash.free(image_id, 'one'),
                   lambda: pool.trash.remove(image_id)):
        with pytest.raises(errors.ImageBusy, match='removed by another'):
            action()
    pool.leases.release(lease)
    assert pool.trash.free(image_id, 'one')
    assert pool.leases.holder(lease.name) is None


def test_who_removes_finds_who_drops(pool, image_id):
    """Who drops a snapshot has opened the image before it looks."""
    pool.snapshots.remove('volume-1', 'one')
    with contextlib.closing(pool.images.hold('volume-1')):
        with pytest.raises(errors.ImageBusy):
            pool.images.remove('volume-1')
    pool.images.remove('volume-1')
    assert pool.leases.holder(removal.lease_name(image_id)) is None


def test_a_turn_is_waited_for(pool, image_id):
    """One that nobody gives back ends by itself."""
    pool.snapshots.drop(image_id, 'one', 'one')
    assert pool.leases.acquire(another(image_id, 1), {'host': 'another'})
    assert release.in_turn(lambda: release.free(
        pool, image_id, 'volume-1', False, names.Names()))
    assert not pool.directory.exists('volume-1')


def test_a_long_removal_keeps_its_turn(pool, image_id, admin):
    with admin.open_ioctx('volumes') as ioctx:
        assert leases.acquire(ioctx, another(image_id, 1), {'host': 'a'})
        leases.ask_to_renew(ioctx, another(image_id, 300))
        assert not polling.wait_until(
            lambda: leases.holder(
                ioctx, removal.lease_name(image_id)) is None, 2)
        leases.release(ioctx, another(image_id, 300))
    assert pool.leases.holder(removal.lease_name(image_id)) is None


@pytest.mark.parametrize('action', ['remove', 'trash_move'])
def test_a_client_that_was_replaced_keeps_no_turn(admin, cluster, pool,
                                                  monkeypatch, action):
    """Nobody but itself could have given it back."""
    own = own_pool(cluster.conf('cinder'))
    own.images.create('volume-2', 2**22, 22)
    before = handle(own.cluster)
    real = getattr(rbd.RBD, action)

    def fenced(self, *args, **kwargs):
        monkeypatch.setattr(rbd.RBD, action, real)
        blocklist(admin, before)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(rbd.RBD, action, fenced)
    if action == 'remove':
        own.images.remove('volume-2')
    else:
        own.trash.move('volume-2')

    assert handle(own.cluster) is not before
    assert not pool.directory.exists('volume-2')
    assert own.cluster.close(30)
