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
"""Which entries go: least recently used first, never more than needed."""

from hypothesis import given
from hypothesis import strategies as st

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import eviction

GIB = 2**30


def one(name, size=1, last_used=0.0, pinned=False):
    return entry.Entry(name=name, image_id=name, image_name='', identity='',
                       size=size * GIB, created=0.0, last_used=last_used,
                       pinned=pinned)


ENTRIES = st.lists(
    st.builds(one, st.text('abcdefgh', min_size=1, max_size=3),
              st.integers(1, 5), st.floats(0, 100), st.booleans()),
    unique_by=lambda e: e.name, max_size=8)
LIMITS = st.builds(eviction.Limits, st.integers(0, 12), st.integers(0, 6))


def test_no_limits_no_eviction():
    entries = [one('a'), one('b')]
    assert eviction.plan(entries, GIB, eviction.Limits()) == eviction.Plan(
        True)


def test_the_least_recently_used_goes_first():
    entries = [one('new', last_used=3), one('old', last_used=1),
               one('mid', last_used=2)]
    plan = eviction.plan(entries, GIB, eviction.Limits(count=2))
    assert [e.name for e in plan.evict] == ['old', 'mid']
    assert plan.fits


def test_by_size():
    entries = [one('a', 3, 1), one('b', 3, 2)]
    plan = eviction.plan(entries, 4 * GIB, eviction.Limits(size_gb=8))
    assert [e.name for e in plan.evict] == ['a']


def test_what_is_pinned_or_in_use_stays():
    entries = [one('pinned', last_used=1, pinned=True),
               one('used', last_used=2), one('free', last_used=3)]
    plan = eviction.plan(entries, GIB, eviction.Limits(count=3), {'used'})
    assert [e.name for e in plan.evict] == ['free']


def test_nothing_is_evicted_in_vain():
    entries = [one('a', 1), one('b', 1, pinned=True)]
    for size, limits in ((9, eviction.Limits(size_gb=8)),
                         (1, eviction.Limits(count=1))):
        plan = eviction.plan(entries, size * GIB, limits)
        assert plan == eviction.Plan(False)


@given(ENTRIES, st.integers(1, 6), LIMITS, st.sets(st.text('abc')))
def test_a_plan_keeps_the_limits_and_spares_who_must_be_spared(
        entries, incoming, limits, in_use):
    plan = eviction.plan(entries, incoming * GIB, limits, in_use)
    left = [e for e in entries if e not in plan.evict]
    assert not any(e.pinned or e.name in in_use for e in plan.evict)
    if plan.fits:
        size = incoming + sum(e.size for e in left) // GIB
        assert not limits.size_gb or size <= limits.size_gb
        assert not limits.count or len(left) + 1 <= limits.count
    else:
        assert plan.evict == ()


@given(ENTRIES, st.integers(1, 6), LIMITS)
def test_a_plan_evicts_no_more_than_it_must(entries, incoming, limits):
    plan = eviction.plan(entries, incoming * GIB, limits)
    if not plan.evict:
        return
    kept_one_more = [e for e in entries if e not in plan.evict[:-1]]
    size = incoming + sum(e.size for e in kept_one_more) // GIB
    assert (limits.size_gb and size > limits.size_gb) or (
        limits.count and len(kept_one_more) + 1 > limits.count)
