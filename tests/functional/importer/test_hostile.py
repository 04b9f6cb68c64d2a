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
"""No image reads a host's file, breaks the service or leaves anything.

The corpus is of images made by hand, each with one fault.  What the inspection
refuses it refuses by every way into a volume: all of the corpus is inspected;
what passes, and a few of each format that do not, go into Ceph.  ``make
mutations CORPUS=1`` sends all of them by all ways.
"""

from collections.abc import Iterator

import pytest

from rbd_imgdriver import errors
from rbd_imgdriver.importer.check import inspection
from rbd_imgdriver.importer import options
from tests.functional.importer import attack
from tests.functional.importer import corpus
from tests.functional.importer import mutations
from tests.functional.importer import ways

CASES = corpus.every()


def test_the_corpus_is_large_enough():
    assert len(CASES) >= 580
    assert len([one for one in CASES if 'difference' in one.name]) >= 80
    assert len({str(one) for one in CASES}) == len(CASES)


def test_the_watch_is_not_blind(attacked, originals, tmp_path):
    """Without a sandbox qemu-img does follow such images."""
    controls = mutations.controls(originals, attacked.targets)

    for name, control in controls.items():
        assert list(control.follow(tmp_path, attacked.seen)) == [
            control.sets_off], name
    assert attacked.seen() == {}


def accepted(one: corpus.Case, data: bytes) -> bool:
    """Whether the inspection has no objection."""
    look = inspection.Inspection('image', one.declared,
                                 options.Options('').vmdk_types)
    try:
        look.feed(data)
        look.finish()
    except errors.ImageUnsafe:
        return False
    return True


@pytest.mark.parametrize('number', range(len(CASES)), ids=map(str, CASES))
def test_image(attacked, originals, number):
    one = CASES[number]
    data = one.make(originals, attacked.targets.path)
    inspected = one.container == 'bare' and data
    if inspected and not accepted(one, data):
        return  # as it would be by every way, see below

    given = ways.Given(one.declared, data, one.container)
    way = list(ways.WAYS)[number % len(ways.WAYS)]
    outcome = attacked.run(way, given, _reference(given))

    assert outcome.faults == {}
    assert outcome.result != attack.ACCEPTED or not one.refused


def _reference(given: ways.Given) -> attack.Reference | None:
    """None for what qemu-img cannot read by itself."""
    if given.container != 'bare':
        return None
    return attack.Reference(given.declared, given.data)


def refused_ones() -> Iterator[tuple[str, corpus.Case]]:
    """Of each format and for each way one image that must not pass."""
    for declared in sorted({one.declared for one in CASES}):
        bad = [one for one in CASES if one.declared == declared
               and one.refused and one.container == 'bare']
        for number, way in enumerate(ways.WAYS):
            yield way, bad[number * 7 % len(bad)]


@pytest.mark.parametrize(('way', 'one'), refused_ones(), ids=str)
def test_refused_by_every_way(attacked, originals, way, one):
    data = one.make(originals, attacked.targets.path)

    outcome = attacked.run(way, ways.Given(one.declared, data))

    assert outcome.result != attack.ACCEPTED
    assert outcome.faults == {}
