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

"""What every volume goes through, image or not."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import functools

from bench import contender
from bench import lab as labs
from bench import results

DRIVERS = ('ours', 'intree')
# "Not slower", as far as this differs from chance.
SAME = 0.9


def blank(lab: labs.Lab) -> Iterator[results.Result]:
    """Create, extend, snapshot and delete a volume without an image.

    :raises AssertionError: when a deleted volume leaves anything behind
    """
    made: dict[str, list[str]] = {kind: [] for kind in DRIVERS}
    with lab.pools() as pools:
        before = _contents(lab, pools)
        for verb in ('create', 'extend', 'snapshot', 'delete'):
            waiting = {kind: list(ids) for kind, ids in made.items()}
            actions = {kind: functools.partial(
                _do, lab[kind], verb, waiting[kind], made[kind])
                for kind in DRIVERS}
            samples = lab.turns(actions, lab.scale.rounds
                                if verb == 'snapshot' else lab.scale.many)
            yield results.of_samples(
                f'blank-{verb}', f'blank volume: {verb}', samples,
                wanted=results.Wanted(SAME),
                footprints=lab.footprints(actions))
        left = {kind: sorted(names - before[kind])
                for kind, names in _contents(lab, pools).items()}
        assert not left['ours'], f'left in the pool: {left["ours"]}'


def _contents(lab: labs.Lab,
              pools: Mapping[str, str]) -> dict[str, set[str]]:
    return {kind: set(lab.stock.names(pools[kind])) for kind in DRIVERS}


def _do(driver: contender.Contender, verb: str, waiting: list[str],
        made: list[str]) -> contender.Sample:
    """The next volume's turn."""
    if verb == 'create':
        sample = driver.sample('create', size=1)
        made.extend(sample.volumes)
        return sample
    arguments = {'volume_id': waiting.pop(0)}
    if verb == 'extend':
        return driver.sample('extend', size=2, **arguments)
    return driver.sample(verb, **arguments)
