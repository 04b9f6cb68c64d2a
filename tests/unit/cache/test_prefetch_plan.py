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
"""Which images are to be in the cache before anybody asks for them."""

import dataclasses
import re

import pytest

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import eviction
from rbd_imgdriver.cache import prefetch_plan
from rbd_imgdriver import model

RULES = prefetch_plan.Rules(({'tag': 'golden'},))
DAY = 24 * 3600.0


def offer(id_: str, day: int, version: str = '24.04',
          **facts) -> prefetch_plan.Offer:
    """An image of Ubuntu that Glance has since a day of May."""
    known = {'name': f'ubuntu-{version}-{day}', 'disk_format': 'qcow2',
             'container_format': 'bare', 'virtual_size': model.GIB,
             'hash_algo': 'sha512', 'hash_value': id_ * 40, **facts}
    return prefetch_plan.Offer(
        model.Image(id_, **known), f'2026-05-{day:02}T00:00:00',
        properties={'os_distro': 'ubuntu', 'os_version': version})


def have(one: prefetch_plan.Offer, created: float, used: float | None = None,
         held: bool = True) -> entry.Entry:
    return entry.Entry(
        one.golden, one.image.id, one.image.name, '', one.disk or 0, created,
        created if used is None else used, held=held)


def planned(offers, entries=(), rules=RULES, obstacles=None, now=100 * DAY,
            clonable=lambda image: False) -> prefetch_plan.Plan:
    return prefetch_plan.plan(
        offers, prefetch_plan.Seen(entries, obstacles or {}, now), rules,
        clonable)


OLD, NEW, NEWEST = offer('a', 1), offer('b', 2), offer('c', 3)
OTHER = offer('d', 1, '22.04')


def test_the_newest_of_each_family_is_fetched_the_newest_family_first():
    assert planned([OLD, OTHER, NEWEST, NEW]) == prefetch_plan.Plan(
        (NEWEST, OTHER))
    assert planned([]) == prefetch_plan.Plan()


def test_so_many_of_each_as_are_wanted():
    two = dataclasses.replace(RULES, keep=2)

    assert planned([OLD, NEW, NEWEST, OTHER], rules=two).fetch == (
        NEWEST, NEW, OTHER)


def test_an_image_that_is_found_by_two_marks_counts_once():
    two = dataclasses.replace(RULES, keep=2)

    assert planned([NEW, NEW, OLD], rules=two).fetch == (NEW, OLD)


def test_what_is_there_is_held_once():
    assert planned([NEW], [have(NEW, 1, held=False)]).hold == (NEW.golden,)
    assert planned([NEW], [have(NEW, 1)]) == prefetch_plan.Plan()


@pytest.mark.parametrize(('entries', 'released'), [
    # Its successor is not there yet.
    ([have(OLD, 1)], False),
    # It is there, and the older one was not used since, or not for a day.
    ([have(OLD, 1), have(NEW, 2)], True),
    ([have(OLD, 1, 99.9 * DAY), have(NEW, 2)], False),
    ([have(OLD, 1, 98 * DAY), have(NEW, 2)], True),
])
def test_an_older_one_is_kept_as_long_as_it_is_needed(entries, released):
    found = planned([OLD, NEW], entries)

    assert found.release == ((OLD.golden,) if released else ())


def test_what_is_no_longer_marked_is_released():
    assert planned([], [have(NEW, 1, used=100 * DAY)]).release == (
        NEW.golden,)
    # What nobody held is not ours to let go.
    assert planned([], [have(NEW, 1, held=False)]) == prefetch_plan.Plan()


def test_what_cannot_come_waits_and_says_why():
    unknown = offer('e', 9, 'x', virtual_size=None)
    rules = dataclasses.replace(RULES, budget=2 * model.GIB)
    big = offer('f', 8, 'y', virtual_size=3 * model.GIB)
    there = offer('g', 1, 'z')

    found = planned(
        [unknown, big, NEWEST, OTHER, there], [have(there, 1)], rules,
        obstacles={}, clonable=lambda image: image.id == 'd')

    assert found.fetch == (NEWEST,)
    assert {one.image.id: why for one, why in found.waiting} == {
        'e': 'size-unknown', 'f': 'over-budget', 'd': 'clonable'}
    assert {why for _, why in found.waiting} <= set(prefetch_plan.REASONS)


def test_the_budget_is_of_what_is_there_and_of_what_comes():
    rules = dataclasses.replace(RULES, budget=model.GIB)

    assert planned([NEW, OTHER], rules=rules).waiting == (
        (OTHER, 'over-budget'),)
    assert planned([NEW, OTHER], [have(OTHER, 1)], rules).waiting == (
        (NEW, 'over-budget'),)


def test_an_obstacle_is_the_reason():
    found = planned([NEW], obstacles={NEW.golden: 'image-damaged: no'})

    assert found == prefetch_plan.Plan(waiting=((NEW, 'image-damaged: no'),))


def test_the_disk_of_an_image_without_a_virtual_size():
    image = offer('a', 1, virtual_size=None)

    assert image.disk is None
    assert dataclasses.replace(image, min_disk=3).disk == 3 * model.GIB
    assert offer('a', 1, virtual_size=1).disk == model.GIB


@pytest.mark.parametrize(('rules', 'names'), [
    ({'pattern': re.compile(r'^(.*)-\d+$')}, ['c', 'd']),
    ({'pattern': re.compile('ubuntu')}, ['c']),
    ({'pattern': re.compile('^(x)?ubuntu')}, ['c']),
    ({'pattern': re.compile('debian')}, ['c', 'b', 'd', 'a']),
    ({'family': ('os_distro',)}, ['c']),
    ({'family': ('nonesuch',)}, ['c', 'b', 'd', 'a']),
    ({'family': ()}, ['c', 'b', 'd', 'a']),
])
def test_families(rules, names):
    found = planned([OLD, NEW, NEWEST, OTHER],
                    rules=dataclasses.replace(RULES, **rules))

    assert [one.image.id for one in found.fetch] == names


@pytest.mark.parametrize(('text', 'filters'), [
    ('tag=golden', {'tag': 'golden', 'visibility': 'public'}),
    ('os_distro=ubuntu + tag=golden', {'os_distro': 'ubuntu', 'tag': 'golden',
                                       'visibility': 'public'}),
    ('visibility=public', {'visibility': 'public'}),
    ('owner=abc', {'owner': 'abc'}),
    ('owner=abc+visibility=private', {'owner': 'abc',
                                      'visibility': 'private'}),
])
def test_marks(text, filters):
    assert prefetch_plan.mark(text) == filters


@pytest.mark.parametrize('text', [
    '', 'golden', 'tag=', '=golden', 'tag=a+tag=b', 'tag=a+',
    # All tenants can do these with images of their own.
    'visibility=community', 'visibility=private+tag=golden',
    'tag=golden+visibility=shared'])
def test_what_is_no_mark_or_anybodys(text):
    with pytest.raises(prefetch_plan.BadMark):
        prefetch_plan.mark(text)


def test_what_is_held_is_not_evicted():
    entries = [have(OLD, 1), have(NEW, 2, held=False)]
    limits = eviction.Limits(count=2)

    assert eviction.plan(entries, model.GIB, limits).evict == (entries[1],)
    assert not eviction.plan(entries[:1], model.GIB,
                             eviction.Limits(count=1)).fits
