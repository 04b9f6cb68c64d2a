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

"""How a clone's time grows with the clones made before it."""

from __future__ import annotations

from collections.abc import Iterator

from bench.cases import clones
from bench import charts
from bench import lab as labs
from bench import results

FLAT = 1.2


def children(lab: labs.Lab) -> Iterator[results.Result]:
    """A cached image with ever more volumes made from it.

    The in-tree driver's source is given the snapshots that its earlier
    clones leave on it.  The clones themselves are left out, which can only
    favour it, as it favours the limit, whose source gets none.
    """
    first = None
    with lab.pools(ours=clones.CACHE) as pools:
        image, sources = clones.cached_image(lab, pools)
        there = 0
        for count in lab.scale.children:
            lab.stock.add_children(sources['ours'], count - there)
            lab.stock.add_snapshots(*sources['intree'], count - there)
            there = count
            samples = lab.turns(clones.from_image(
                lab, pools, sources['limit'], image,
                lab.scale.cloned.gib))
            result = results.of_samples(
                f'{charts.CHILDREN}{count}',
                f'cached clone after {count} earlier ones', samples,
                snapshots={kind: lab.stock.snapshots(*sources[kind][:2])
                           for kind in ('ours', 'intree')})
            first = first or result
            yield result
    yield _growth(first, result)


def _growth(first: results.Result, last: results.Result) -> results.Result:
    """The last as a multiple of the first, for each contender."""
    count = last.name.removeprefix(charts.CHILDREN)
    return results.Result(
        'cached-clone-growth',
        f'cached clone after {count} earlier ones, as multiple of the first',
        'x', {who: [last.median(who) / first.median(who)]
              for who in first.values},
        results.Wanted(at_most=FLAT))


