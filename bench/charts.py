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

"""The plots that the page of the benchmarks begins with."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
from typing import Any

from bench import plot
from bench import results

CHILDREN = 'cached-clone-children-'
WHO = ('ours', 'intree', 'limit')
MS = {'ms': 1.0, 's': 1000.0}

# Cases in which a volume is made, and what they are called here.
CREATES = {
    'blank-create': 'blank', 'direct-clone': 'raw image\nin Ceph',
    'cached-clone': 'cached\nimage', 'cinder-clone': 'cinder://\nimage',
    'volume-clone': 'volume', 'encrypted-clone': 'encrypted,\ncached',
    'depth-limit': 'volume at\ndepth limit', 'import-raw': 'raw,\nfirst time',
    'import-qcow2': 'qcow2,\nfirst time'}
STORMS = {'blank': 'blank', 'raw': 'raw image\nin Ceph',
          'qcow2-cold': 'qcow2,\nnew', 'qcow2-warm': 'qcow2,\ncached',
          'encrypted': 'encrypted,\ncached'}

Record = dict[str, Any]
Groups = dict[str, dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Chart:
    """A plot, and what stands beside it.

    :param name: of its file, without ``.svg``
    :param alt: for those who cannot see it
    """

    name: str
    svg: str
    alt: str
    caption: str


def charts(records: Sequence[Record]) -> list[Chart]:
    """Those of what was measured."""
    by_name = {one['name']: one for one in records}
    return [chart for chart in (_creates(by_name), _children(records),
                                _storms(by_name)) if chart is not None]


def figures(made: Sequence[Chart]) -> str:
    """The same as a part of the documentation."""
    return '\n\n'.join(
        f'.. figure:: {one.name}.svg\n   :width: 560\n   :alt: {one.alt}\n\n'
        f'   {one.caption}' for one in made) + '\n'


def _creates(by_name: dict[str, Record]) -> Chart | None:
    groups = {}
    for name, label in CREATES.items():
        if name in by_name:
            groups[label] = _figures(by_name[name],
                                     MS[by_name[name]['unit']])
    return Chart('benchmarks-create', plot.bars(
        'Time to create a volume', 'ms (log)', groups),
        'time to create a volume of every kind, by the two drivers and at '
        'the limit', 'The driver\'s part of a create; the limit of an import '
        'is to hash its data.') if groups else None


def _children(records: Sequence[Record]) -> Chart | None:
    lines: dict[str, list[tuple[float, float]]] = {}
    for one in records:
        if one['name'].startswith(CHILDREN):
            count = float(one['name'].removeprefix(CHILDREN))
            for who, value in _figures(one, 1).items():
                lines.setdefault(who, []).append((count, value))
    return Chart('benchmarks-children', plot.lines(
        'Time to clone a cached image', 'volumes cloned from it before',
        'ms (log)', lines),
        'time to clone against the number of earlier clones',
        'The in-tree driver makes a snapshot on the source for every clone '
        'and leaves it there. All volumes of a cached image are children of '
        'one snapshot.') if lines else None


def _storms(by_name: dict[str, Record]) -> Chart | None:
    groups = {}
    for kind, label in STORMS.items():
        name = f'{results.STORM}{kind}-rate'
        if name in by_name:
            groups[label] = _figures(by_name[name], 1)
    return Chart('benchmarks-storm', plot.bars(
        'Volumes at once, through the API', 'volumes per second', groups,
        log=False), 'volumes per second in a storm',
        'Two hosts. The limit is a driver whose volumes are nothing: what '
        'Cinder itself can do on this machine.') if groups else None


def _figures(one: Record, factor: float) -> dict[str, float]:
    return {who: one[who] * factor for who in WHO if one[who] is not None}
