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

"""What was found out, case by case."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import json
import pathlib
from typing import Any

from bench import contender
from bench import footprint
from bench import statistics

Values = Mapping[str, Sequence[float]]

STORM = 'storm-'

# Percentiles, and of how many values each is another than the largest.
PERCENTILES = {50: 1, 95: 20, 99: 100}


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a case is to show; None where nothing is asked for.

    :param vs_intree: times better than the in-tree driver, at least
    :param vs_limit: times the limit: at most that where less is better, at
        least that where more is better
    :param over_limit: by how much ours may exceed the limit, in the unit
    :param at_most: of our own value, in its unit
    """

    vs_intree: float | None = None
    vs_limit: float | None = None
    over_limit: float | None = None
    at_most: float | None = None


@dataclasses.dataclass(frozen=True)
class Result:
    """One case.

    :param name: short and stable
    :param title: for people
    :param unit: of all values
    :param values: of each contender, in rounds
    :param more_is_better: as in volumes per second
    :param costs: of each contender and kind: see :func:`costs`
    :param snapshots: on the source afterwards, of each contender
    :param footprints: what one operation of each leaves in Ceph
    :param note: what a reader has to know
    :param rounds: where a value is made of several
    """

    name: str
    title: str
    unit: str
    values: Values
    wanted: Wanted = Wanted()
    more_is_better: bool = False
    costs: Mapping[str, Mapping[str, float]] = dataclasses.field(
        default_factory=dict)
    snapshots: Mapping[str, int] = dataclasses.field(default_factory=dict)
    footprints: Mapping[str, footprint.Footprint] = dataclasses.field(
        default_factory=dict)
    note: str = ''
    rounds: int = 0

    def median(self, who: str) -> float | None:
        """The median of a contender; None when it did not take part."""
        values = self.values.get(who)
        return statistics.median(values) if values else None

    @property
    def vs_intree(self) -> float | None:
        """How many times better than the in-tree driver we are."""
        ours, intree = self.median('ours'), self.median('intree')
        if not ours or not intree:
            return None
        return ours / intree if self.more_is_better else intree / ours

    @property
    def vs_limit(self) -> float | None:
        """Our value as a multiple of the limit."""
        ours, limit = self.median('ours'), self.median('limit')
        return ours / limit if ours is not None and limit else None

    @property
    def missed(self) -> list[str]:
        """Which of the wishes are not fulfilled."""
        wanted, missed = self.wanted, []
        if _below(self.vs_intree, wanted.vs_intree):
            missed.append('in-tree')
        worse = _below if self.more_is_better else _above
        if worse(self.vs_limit, wanted.vs_limit):
            missed.append('limit')
        if wanted.over_limit is not None and _above(
                self.median('ours'),
                (self.median('limit') or 0) + wanted.over_limit):
            missed.append('limit')
        if _above(self.median('ours'), wanted.at_most):
            missed.append('value')
        return missed

    def as_json(self) -> dict[str, Any]:
        """As it goes into results.json."""
        return {
            'name': self.name, 'title': self.title, 'unit': self.unit,
            **{who: _rounded(self.median(who))
               for who in ('ours', 'intree', 'limit')},
            'ours_vs_intree': _rounded(self.vs_intree),
            'ours_vs_limit': _rounded(self.vs_limit),
            'wanted': dataclasses.asdict(self.wanted),
            'missed': self.missed,
            'more_is_better': self.more_is_better,
            'rounds': self.rounds or len(self.values['ours']),
            'spread': self._each(statistics.spread),
            'range': self._each(lambda values: (min(values), max(values))),
            'percentiles': {who: _percentiles(values)
                            for who, values in self.values.items()},
            'temp_bytes': self.costs.get('temp_bytes', {}),
            'memory_bytes': self.costs.get('memory_bytes', {}),
            'cpu_seconds': self.costs.get('cpu_seconds', {}),
            'connections': self.costs.get('connections', {}),
            'downloads': self.costs.get('downloads', {}),
            'snapshots_on_source': dict(self.snapshots),
            'rados': {who: dataclasses.asdict(one)
                      for who, one in self.footprints.items()},
            'note': self.note}

    def _each(self, figures: Callable[[Sequence[float]], Sequence[float]],
              ) -> dict[str, list[float | None]]:
        """Some figures of the values of each contender."""
        return {who: [_rounded(one) for one in figures(values)]
                for who, values in self.values.items() if values}


def of_samples(name: str, title: str,
               samples: Mapping[str, Sequence[contender.Sample]],
               unit: str = 'ms', count: int = 1,
               **facts: Any) -> Result:
    """The result of a case whose value is time.

    :param unit: ``ms``, ``s`` or ``volumes/s``
    :param count: volumes made in each sample; time is for one of them
    :param facts: see :class:`Result`
    """
    values = {who: [_value(sample, unit, count) for sample in taken]
              for who, taken in samples.items()}
    return Result(name, title, unit, values, costs=costs(samples, count),
                  more_is_better=unit == 'volumes/s', **facts)


def _value(sample: contender.Sample, unit: str, count: int) -> float:
    if unit == 'volumes/s':
        return count / sample.seconds
    return sample.seconds / count * (1000 if unit == 'ms' else 1)


def costs(samples: Mapping[str, Sequence[contender.Sample]],
          count: int = 1) -> dict[str, dict[str, float]]:
    """What one volume cost each contender, beside time.

    CPU seconds and connections are medians, temporary bytes, memory and
    downloads are the most that was seen.
    """
    take: dict[str, Callable[[Sequence[contender.Sample]], float]] = {
        'cpu_seconds': lambda taken: round(statistics.median(
            [one.cpu_seconds for one in taken]) / count, 4),
        'connections': lambda taken: round(statistics.median(
            [one.connections for one in taken]) / count, 2),
        'temp_bytes': lambda taken: max(one.temp_bytes for one in taken),
        'memory_bytes': lambda taken: max(one.memory_bytes for one in taken),
        'downloads': lambda taken: max(one.downloads for one in taken)}
    return {kind: {who: measure(taken) for who, taken in samples.items()
                   if taken and who in ('ours', 'intree')}
            for kind, measure in take.items()}


def connections(results: Sequence[Result]) -> list[Result]:
    """The most connections that any operation of these cases opened."""
    found = [one.costs['connections'] for one in results
             if one.costs.get('connections')]
    values = {who: [max(one[who] for one in found if who in one)]
              for who in ('ours', 'intree')
              if any(who in one for one in found)}
    return [Result('connections', 'connections opened by one operation, at '
                   'most', 'connections', values, Wanted(at_most=0))
            ] if 'ours' in values else []


def save(path: pathlib.Path, results: Sequence[Result],
         run: Mapping[str, Any], keep: bool) -> list[dict[str, Any]]:
    """Write results.json; all that is in it then.

    :param run: when, where and with what it was measured
    :param keep: whether results of other cases stay in it; those of storms,
        which no run of all cases has, do in any case
    """
    fresh = {one.name: {**one.as_json(), 'run': dict(run)}
             for one in results}
    known = {one['name']: one for one in _read(path)
             if keep or one['name'].startswith(STORM)}
    merged = [fresh.pop(name, old) for name, old in known.items()]
    merged += fresh.values()
    path.write_text(json.dumps(merged, indent=2) + '\n')
    return merged


def _read(path: pathlib.Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text())) if path.exists() else []


def _percentiles(values: Sequence[float]) -> dict[str, float | None]:
    """Those of which so many values can say something."""
    return {f'p{percent}': _rounded(statistics.percentile(values, percent))
            for percent, least in PERCENTILES.items()
            if len(values) >= least}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f'{value:.4g}')


def _below(value: float | None, wanted: float | None) -> bool:
    return wanted is not None and (value is None or value < wanted)


def _above(value: float | None, wanted: float | None) -> bool:
    return wanted is not None and (value is None or value > wanted)
