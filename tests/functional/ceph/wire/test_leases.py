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

from concurrent import futures
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
    while pool.leases.holder(name) is not None:
        assert time.monotonic() - started < 20
    return time.monotonic() - started


def test_one_holder_at_a_time(pool, other):
    assert pool.leases.holder('work') is None
    assert pool.leases.acquire(lease('a'), {'host': 'one'})
    assert not pool.leases.acquire(lease('b'), {'host': 'two'})
    assert not other.leases.acquire(lease('a'), {'host': 'three'})
    assert other.leases.holder('work') == {'host': 'one'}

    pool.leases.release(lease('a'))
    assert other.leases.acquire(lease('c'), {'host': 'four'})
    assert pool.leases.holder('work') == {'host': 'four'}
    other.leases.release(lease('c'))
    assert pool.leases.holder('work') is None


def test_a_lease_expires_unless_renewed(pool, other):
    short = lease('a', seconds=1.5)
    assert pool.leases.acquire(short, {'host': 'one'})
    assert until_free(other, 'work') > 0.5

    assert other.leases.acquire(lease('b'), {'host': 'two'})
    with pytest.raises(leases.LeaseLost):
        pool.leases.renew(short)
    pool.leases.release(short)  # must not take the other's lease
    assert pool.leases.holder('work') == {'host': 'two'}
    other.leases.release(lease('b'))


def test_renewal_counts_from_now(pool, other):
    short = lease('a', seconds=2)
    assert pool.leases.acquire(short, {'host': 'one'})
    started = time.monotonic()
    while time.monotonic() - started < 3:
        pool.leases.renew(short)
    assert other.leases.holder('work') == {'host': 'one'}
    pool.leases.release(short)


def test_an_expired_lease_that_nobody_took_is_lost_too(pool):
    short = lease('a', seconds=1)
    assert pool.leases.acquire(short, {})
    until_free(pool, 'work')
    with pytest.raises(leases.LeaseLost):
        pool.leases.renew(short)


def traces(admin) -> set[str]:
    """The leases that there is anything of."""
    with admin.open_ioctx('volumes') as ioctx:
        return {key.partition('.')[2] for key, _
                in ioctx.get_xattrs('rbd-imgdriver.leases')}


def test_who_tidies_up_leaves_what_somebody_has(pool, other, admin):
    assert pool.leases.acquire(leases.Lease('dead', 'a', 0.5), {'host': 'one'})
    assert pool.leases.acquire(lease('a'), {'host': 'two'})
    until_free(other, 'dead')
    assert {'dead', 'work'} <= traces(admin)

    for someone in (other, pool):
        someone.leases.tidy()

    assert 'dead' not in traces(admin)
    assert other.leases.holder('work') == {'host': 'two'}
    assert pool.leases.acquire(leases.Lease('dead', 'b', 9), {'host': 'three'})
    for held in (lease('a'), leases.Lease('dead', 'b', 9)):
        pool.leases.release(held)


def test_two_who_tidy_up_at_once(pool, other, admin):
    names = [f'dead-{number}' for number in range(40)]
    for name in names:
        assert pool.leases.acquire(leases.Lease(name, 'a', 0.2), {})
    for name in names:
        until_free(other, name)

    with futures.ThreadPoolExecutor(2) as threads:
        for done in [threads.submit(one.leases.tidy) for one in (pool, other)]:
            done.result()

    assert not traces(admin) & set(names)
