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
"""Leases: one holder, until it gives up, or the time is over."""

import time

import pytest

from rbd_imgdriver.ceph.wire import leases
from tests.functional import conftest


@pytest.fixture
def other(cluster):
    """A second client: the same cookie from here is another holder."""
    return conftest.open_pool(cluster, 'volumes', 'admin')


def lease(cookie: str, seconds: float = 30) -> leases.Lease:
    return leases.Lease('work', cookie, seconds)


def until_free(pool, name: str) -> float:
    """Ask until the lease is free; the seconds that took."""
    started = time.monotonic()
    while pool.lease_holder(name) is not None:
        assert time.monotonic() - started < 20
    return time.monotonic() - started


def test_one_holder_at_a_time(pool, other):
    assert pool.lease_holder('work') is None
    assert pool.acquire_lease(lease('a'), {'host': 'one'})
    assert not pool.acquire_lease(lease('b'), {'host': 'two'})
    assert not other.acquire_lease(lease('a'), {'host': 'three'})
    assert other.lease_holder('work') == {'host': 'one'}

    pool.release_lease(lease('a'))
    assert other.acquire_lease(lease('c'), {'host': 'four'})
    assert pool.lease_holder('work') == {'host': 'four'}
    other.release_lease(lease('c'))
    assert pool.lease_holder('work') is None


def test_a_lease_expires_unless_renewed(pool, other):
    short = lease('a', seconds=1.5)
    assert pool.acquire_lease(short, {'host': 'one'})
    assert until_free(other, 'work') > 0.5

    assert other.acquire_lease(lease('b'), {'host': 'two'})
    with pytest.raises(leases.LeaseLost):
        pool.renew_lease(short)
    pool.release_lease(short)  # must not take the other's lease
    assert pool.lease_holder('work') == {'host': 'two'}
    other.release_lease(lease('b'))


def test_renewal_counts_from_now(pool, other):
    short = lease('a', seconds=2)
    assert pool.acquire_lease(short, {'host': 'one'})
    started = time.monotonic()
    while time.monotonic() - started < 3:
        pool.renew_lease(short)
    assert other.lease_holder('work') == {'host': 'one'}
    pool.release_lease(short)


def test_an_expired_lease_that_nobody_took_is_lost_too(pool):
    short = lease('a', seconds=1)
    assert pool.acquire_lease(short, {})
    until_free(pool, 'work')
    with pytest.raises(leases.LeaseLost):
        pool.renew_lease(short)
