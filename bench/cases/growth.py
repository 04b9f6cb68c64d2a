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

"""How costs grow with the pool: 1,000, 10,000 and 100,000 images in it.

All but a few of the images are directory entries and headers alone; a tenth
of them have a snapshot, and for every hundred there is one more in the trash,
which is not to be purged yet.  The in-tree driver is left out of the largest
pool, and lists manageable volumes in the smallest only, since it opens every
image for each page.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import functools

from bench.cases import clones
from bench import contender
from bench import lab as labs
from bench import results

FLAT = 1.3
PAGE = 100
# What reads the whole pool takes seconds.
FEW = 3
_INTREE_MOST = 10_000

VOLUME = ('create', 'delete', 'cached-clone', 'volume-clone', 'stats')
UPKEEP = ('look', 'purge', 'sweep', 'cache-list')
EVERYWHERE = ('look-everywhere', 'leaks')
TITLES = {
    'create': 'blank volume: create', 'delete': 'blank volume: delete',
    'cached-clone': 'cached clone',
    'volume-clone': 'clone of an unchanged volume',
    'stats': 'capacity report', 'look': 'look for unfinished flattens',
    'look-everywhere': 'the same in all headers', 'purge': 'purge of the '
    'trash', 'sweep': 'sweep', 'cache-list': 'list of the cache',
    'leaks': 'search for leaks'}
WANTED_MS = {10_000: 500.0}

Actions = dict[str, labs.Action]


def growth(lab: labs.Lab,
           counts: tuple[int, ...] = ()) -> Iterator[results.Result]:
    """Every operation in ever larger pools.

    :param counts: images in them; by default the scale's
    """
    counts = counts or lab.scale.pool
    measured: dict[str, list[results.Result]] = {}
    with lab.pools(ours=clones.CACHE) as pools:
        image, _ = clones.cached_image(lab, pools)
        sources = {kind: lab.volume(kind, pools[kind], lab.scale.cloned)
                   for kind in ('ours', 'intree')}
        there = 0
        for count in counts:
            lab.stock.crowd(pools['ours'], count - there)
            if count <= _INTREE_MOST:
                lab.stock.crowd(pools['intree'], count - there)
            there = count
            labs.say(f'{count} images are there')
            for one in _at(lab, count, image, sources):
                yield one
                measured.setdefault(
                    one.name.replace(f'-{count}', ''), []).append(one)
    for name, found in measured.items():
        if len(found) > 1:
            yield _growth(name, found[0], found[-1], counts)


def _at(lab: labs.Lab, count: int, image: str,
        sources: Mapping[str, str]) -> Iterator[results.Result]:
    for what in VOLUME + UPKEEP:
        yield _flat(lab, what, count, image, sources)
    for what in EVERYWHERE:
        yield _result(f'growth-{what}-{count}', what, count,
                      lab.turns(_upkeep(lab, what), FEW, False))
    yield from _manageable(lab, count)


def _flat(lab: labs.Lab, what: str, count: int, image: str,
          sources: Mapping[str, str]) -> results.Result:
    actions = _upkeep(lab, what) if what in UPKEEP else {
        kind: _action(lab, kind, what, image, sources)
        for kind in _drivers(count)}
    if what == 'cached-clone':  # to Cinder's driver a clone of a volume
        actions.pop('intree', None)
    return _result(f'growth-{what}-{count}', what, count, lab.turns(actions))


def _drivers(count: int) -> tuple[str, ...]:
    return ('ours', 'intree') if count <= _INTREE_MOST else ('ours',)


def _upkeep(lab: labs.Lab, what: str) -> Actions:
    return {'ours': functools.partial(lab['ours'].sample, 'upkeep',
                                      what=what)}


def _action(lab: labs.Lab, kind: str, what: str, image: str,
            sources: Mapping[str, str]) -> labs.Action:
    driver = lab[kind]
    if what == 'delete':
        return functools.partial(_delete, driver)
    arguments = {
        'create': {'size': 1}, 'stats': {},
        'volume-clone': {'source': sources[kind]},
        'cached-clone': {'image_id': image, 'size': lab.scale.cloned.gib}}
    call = {'volume-clone': 'clone', 'cached-clone': 'from_image'}
    return functools.partial(driver.sample, call.get(what, what),
                             **arguments[what])


def _delete(driver: contender.Contender) -> contender.Sample:
    made = driver.sample('create', size=1)
    return driver.sample('delete', volume_id=made.volumes[0])


def _manageable(lab: labs.Lab, count: int) -> Iterator[results.Result]:
    for what in 'volumes', 'snapshots':
        for page, offset in ('first', 0), ('last', None):
            kinds = ['ours']
            if (count, page) == (lab.scale.pool[0], 'first'):
                kinds.append('intree')
            every = count if what == 'volumes' else count // 10
            samples = lab.turns({kind: functools.partial(
                lab[kind].sample, 'manageable', what=what, limit=PAGE,
                offset=every - PAGE if offset is None else offset)
                for kind in kinds}, 1 if len(kinds) > 1 else FEW, False)
            yield results.of_samples(
                f'manageable-{what}-{count}'
                + ('-last' if page == 'last' else ''),
                f'{page} page of {PAGE} manageable {what}, {_many(count)}',
                samples,
                wanted=results.Wanted(at_most=WANTED_MS.get(count)))


def _result(name: str, what: str, count: int,
            samples: labs.Samples) -> results.Result:
    return results.of_samples(
        name, f'{TITLES[what]}, {_many(count)}', samples)


def _many(count: int) -> str:
    return f'{count:,} images (headers alone) in the pool'


def _growth(name: str, first: results.Result, last: results.Result,
            counts: tuple[int, ...]) -> results.Result:
    before, after = (one.median('ours') or 0.0 for one in (first, last))
    reads_all = any(what in name for what in EVERYWHERE)
    return results.Result(
        name, f'{last.title}, as multiple of {counts[0]:,}', 'x',
        {'ours': [after / before]},
        results.Wanted(at_most=None if reads_all else FLAT))
