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

"""The results for people: on the terminal and in the documentation."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from bench import machine
from bench import results

MIB = 2**20
KIB = 2**10

Row = tuple[str, ...]
Record = dict[str, Any]

# Chapters of the table of medians, by how the names of their cases begin.
CHAPTERS = {'': 'Medians', 'growth-': 'As the pool grows',
            'manageable-': 'What Cinder could take over',
            results.STORM: 'Storms'}
TELLING = 20  # values, of which more than the range can be said

_TERMINAL = ('Case', 'Unit', 'Ours', 'In-tree', 'Limit', 'vs in-tree',
             'wanted', 'vs limit', 'wanted', '')
_TIMES = ('Case', 'Unit', 'Ours', 'In-tree', 'Limit', 'Against in-tree',
          'Against the limit')
_WHO = ('ours', 'intree', 'limit')
_SPREAD = ('Case', 'Unit', 'Rounds', 'Ours', 'In-tree', 'Limit')
_COSTS = ('Case', 'Temporary MiB', 'CPU seconds', 'Connections',
          'Snapshots on the source')
_RADOS = ('Case', 'Objects', 'RADOS writes', 'RADOS reads',
          'KiB on the disk')


def table(records: Sequence[Record]) -> str:
    """The results as columns of text."""
    rows = [_TERMINAL, *map(_terminal_row, records)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return '\n'.join(_aligned(row, widths) for row in rows)


def rest(records: Sequence[Record]) -> str:
    """The results as a part of the documentation."""
    parts = ['.. Written by "make bench"; do not edit.']
    for run in dict.fromkeys(machine.describe(one['run'])
                             for one in records):
        parts.append(f'Measured on {run}.')
    parts += [*_verdict(records), *_medians_tables(records), *_spreads(
        records)]
    parts += [
        _list_table('What one volume costs Ceph, ours / in-tree / limit',
                    _RADOS, _rows(_rados_row, records)),
        _list_table('What one volume costs the host, ours / in-tree', _COSTS,
                    _rows(_costs_row, records))]
    parts += [f'{_sentence(one["title"])}: {one["note"]}.'
              for one in records if one['note']]
    return '\n\n'.join(filter(None, parts)) + '\n'


def missed(one: Record) -> list[str]:
    """Each goal that was missed, in words."""
    wanted, unit = one['wanted'], one['unit']
    words = {
        'in-tree': '%s times as good as in-tree, where %s times were wanted'
        % (number(one['ours_vs_intree']), number(wanted['vs_intree'])),
        'limit': '%s times the limit, where %s %s times was wanted' % (
            number(one['ours_vs_limit']),
            'at least' if one['more_is_better'] else 'at most',
            number(wanted['vs_limit'])),
        'value': f'{number(one["ours"])} {unit}, where at most '
                 f'{number(wanted["at_most"])} {unit} was wanted'}
    if wanted['over_limit'] is not None and one['limit'] is not None:
        words['limit'] = (
            f'{number(one["ours"] - one["limit"])} {unit} above the limit, '
            f'where at most {number(wanted["over_limit"])} {unit} was wanted')
    return [words[what] for what in one['missed']]


def number(value: float | None) -> str:
    """A figure with three digits that count."""
    if value is None:
        return '-'
    if value == 0 or abs(value) >= 100:
        return f'{value:.0f}'
    return f'{value:.3g}'


def _aligned(row: Row, widths: Sequence[int]) -> str:
    # Words to the left, figures to the right.
    cells = [cell.ljust(width) if column < 2 else cell.rjust(width)
             for column, (cell, width) in enumerate(
                 zip(row, widths, strict=True))]
    return '  '.join(cells).rstrip()


def _verdict(records: Sequence[Record]) -> list[str]:
    """Which goals were missed, and how many were not."""
    asked = [one for one in records if _is_asked(one)]
    short = [one for one in asked if one['missed']]
    lines = [f'* Missed: {one["title"]}: {"; ".join(missed(one))}.'
             for one in short]
    reached = len(asked) - len(short)
    return [f'{reached} of {len(asked)} cases with a goal reach it.',
            *(['\n'.join(lines)] if lines else [])]


def _is_asked(one: Record) -> bool:
    return any(value is not None for value in one['wanted'].values())


def _medians_tables(records: Sequence[Record]) -> list[str]:
    chapters: dict[str, list[Record]] = {begin: [] for begin in CHAPTERS}
    for one in records:
        begin = next(begin for begin in reversed(CHAPTERS)
                     if one['name'].startswith(begin))
        chapters[begin].append(one)
    return [_list_table(CHAPTERS[begin], _TIMES, map(_times_row, ones))
            for begin, ones in chapters.items() if ones]


def _spreads(records: Sequence[Record]) -> list[str]:
    """How much single values differ; of some there are few."""
    shown = [one for one in records
             if one['rounds'] > 1 and 'percentiles' in one
             and not one['name'].startswith(tuple(filter(None, CHAPTERS)))]
    several = {True: 'Percentiles', False: 'The least and the most'}
    return [_list_table(
        title, _SPREAD, (_spread_row(one, many) for one in shown
                         if (one['rounds'] >= TELLING) is many))
            for many, title in several.items()]


def _spread_row(one: Record, many: bool) -> Row:
    def cell(who: str) -> str:
        if who not in one['range']:
            return '-'
        if not many:
            return ' to '.join(map(number, one['range'][who]))
        return ', '.join(f'{name} {number(value)}' for name, value
                         in one['percentiles'][who].items())

    return (one['title'], one['unit'], str(one['rounds']),
            *map(cell, _WHO))


def _rows(row: Callable[[Record], Row],
          records: Sequence[Record]) -> list[Row]:
    """The rows that say something."""
    found = map(row, records)
    return [one for one in found
            if any(set(cell) - set(' -/') for cell in one[1:])]


def _list_table(title: str, headings: Row, rows: Iterable[Row]) -> str:
    """A table; none without rows."""
    rows = list(rows)
    lines = [f'.. list-table:: {title}', '   :header-rows: 1', '']
    for row in (headings, *rows) if rows else ():
        lines += [f'   {" " if column else "*"} - {_escaped(cell)}'.rstrip()
                  for column, cell in enumerate(row)]
    return '\n'.join(lines) if rows else ''


def _sentence(title: str) -> str:
    return title[:1].upper() + title[1:]


def _escaped(cell: str) -> str:
    """A dash at the beginning would make a list of the cell."""
    return f'\\{cell}' if cell.startswith('-') else cell


def _terminal_row(one: Record) -> Row:
    wanted = one['wanted']
    verdict = 'missed: ' + ', '.join(one['missed']) if one['missed'] else 'ok'
    if wanted['at_most'] is not None:
        verdict += f' (at most {number(wanted["at_most"])})'
    return (one['title'], one['unit'], *_medians(one),
            _multiple(one['ours_vs_intree']), _wish_intree(one),
            _multiple(one['ours_vs_limit']), _wish_limit(one),
            verdict if _is_asked(one) else '')


def _times_row(one: Record) -> Row:
    def with_wish(value: str, wish: str, what: str) -> str:
        if wish == '-':
            return value
        return f'{value} ({"missed: " * (what in one["missed"])}{wish})'

    return (one['title'], one['unit'], *_medians(one),
            with_wish(_multiple(one['ours_vs_intree']), _wish_intree(one),
                      'in-tree'),
            with_wish(_multiple(one['ours_vs_limit']), _wish_limit(one),
                      'limit'))


def _costs_row(one: Record) -> Row:
    def pair(key: str, unit: int = 1) -> str:
        return _cell(one[key], unit, _WHO[:2])

    return (one['title'], pair('temp_bytes', MIB), pair('cpu_seconds'),
            pair('connections'), pair('snapshots_on_source'))


def _rados_row(one: Record) -> Row:
    def cell(key: str, unit: int = 1) -> str:
        return _cell({who: found[key] for who, found
                      in one.get('rados', {}).items()}, unit, _WHO)

    return (one['title'], cell('objects'), cell('writes'), cell('reads'),
            cell('allocated_bytes', KIB))


def _cell(found: Mapping[str, float], unit: int, whose: Row) -> str:
    return ' / '.join(number(found[who] / unit) if who in found else '-'
                      for who in whose)


def _medians(one: Record) -> Row:
    return tuple(number(one[who]) for who in ('ours', 'intree', 'limit'))


def _multiple(value: float | None) -> str:
    return '-' if value is None else f'{number(value)}x'


def _wish_intree(one: Record) -> str:
    value = one['wanted']['vs_intree']
    return '-' if value is None else f'>= {number(value)}x'


def _wish_limit(one: Record) -> str:
    wanted = one['wanted']
    if wanted['over_limit'] is not None:
        return f'<= +{number(wanted["over_limit"])}'
    if wanted['vs_limit'] is None:
        return '-'
    sign = '>=' if one['more_is_better'] else '<='
    return f'{sign} {number(wanted["vs_limit"])}x'
