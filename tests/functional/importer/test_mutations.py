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
"""A few of the images that ``make mutations`` makes thousands of."""

import collections
import pathlib

import pytest

from tests.functional.importer import attack
from tests.functional.importer import mutate
from tests.functional.importer import mutations
from tests.functional.importer import ways

SEED = 1
# Each format by several ways, each way with several formats.
NUMBERS = range(4 * len(mutations.KINDS))


@pytest.mark.parametrize('number', NUMBERS)
def test_mutant(attacked, originals, number):
    mutant = mutations.mutant(originals, attacked.targets, SEED, number)
    given = ways.Given(mutant.declared, mutant.data, packed=mutant.packed())

    outcome = attacked.run(mutate.way_of(number), given, attack.Reference(
        given.declared, given.data))

    assert outcome.faults == {}, mutant.name


@pytest.mark.parametrize('original', mutations.KINDS)
def test_what_is_not_changed_is_accepted(attacked, originals, original):
    """So that a refusal says something of the change."""
    declared = mutations.KINDS[original].declared
    given = ways.Given(declared, originals[original])
    way = mutate.way_of(list(mutations.KINDS).index(original)
                        * len(mutations.KINDS))

    outcome = attacked.run(way, given, attack.Reference(declared, given.data))

    # The one has no data, and oslo.utils does not know the other's tables.
    refused = original in ('vmdk-text', 'qcow2-extended')
    assert outcome.faults == {}
    assert (outcome.result != attack.ACCEPTED) == refused


def test_the_same_seed_makes_the_same(originals):
    targets = mutations.Targets(pathlib.Path('/a/file'), 9)

    def made(seed: int) -> list[mutations.Mutant]:
        return [mutations.mutant(originals, targets, seed, number)
                for number in NUMBERS]

    assert made(SEED) == made(SEED)
    assert made(SEED) != made(SEED + 1)


def test_mutants_are_neither_the_original_nor_all_broken(originals):
    targets = mutations.Targets(pathlib.Path('/a/file'), 9)
    mutants = [mutations.mutant(originals, targets, SEED, number)
               for number in range(10 * len(mutations.KINDS))]

    changed = [one for one in mutants if one.data != originals[one.original]]
    steps = collections.Counter(step for one in mutants for step in one.steps)

    # A step may write what is there already; qemu puts random ids in.
    assert len(changed) > 0.95 * len(mutants)
    assert len({one.data for one in mutants}) > len(mutants) * 0.9
    assert len(steps) > 15
    assert any(b'/a/file' in one.data for one in mutants)


def test_a_fault_is_counted_and_shown():
    counts = mutate.Counts()
    counts.add(mutate.Row('vdi', 'gzip'), attack.Outcome(
        attack.ACCEPTED, {'opened': '1 times'}))
    counts.add(mutate.Row('vdi', 'cinder'), attack.Outcome(
        'image-unsafe', {}))

    head, *rows = (line.split() for line in counts.lines())
    last = dict(zip(head, rows[-1][2:], strict=True))

    assert counts.faults == 1
    assert last['images'] == '2'
    assert last['opened'] == last['accepted'] == last['image-unsafe'] == '1'
    assert last['leaked'] == '0'
