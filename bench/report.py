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

from collections.abc import Iterable
from collections.abc import Sequence
from typing import Any

from bench import machine
from bench import plot

CHILDREN = 'cached-clone-children-'
MIB = 2**20

Row = tuple[str, ...]
Record = dict[str, Any]

_TERMINAL = ('Case', 'Unit', 'Ours', 'In-tree', 'Limit', 'vs in-tree',
             'wanted', 'vs limit', 'wanted', '')
_TIMES = ('Case', 'Unit', 'Ours', 'In-tree', 'Limit', 'Against in-tree',
          'Against the limit')
_COSTS = ('Case', 'Temporary MiB', 'CPU seconds', 'Connections',
          'Snapshots on the source')


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
    parts += [_list_table('Medians', _TIMES, map(_times_row, records)),
              _list_table('What one volume costs, ours / in-tree', _COSTS,
                          map(_costs_row, records))]
    parts += [f'{one["title"].capitalize()}: {one["note"]}.'
              for one in records if one['note']]
    return '\n\n'.join(parts) + '\n'


def children_chart(records: Sequence[Record]) -> str | None:
    """The growth with earlier children as SVG; None if not measured."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for one in records:
        if one['name'].startswith(CHILDREN):
            count = float(one['name'].removeprefix(CHILDREN))
            for who in ('ours', 'intree', 'limit'):
                lines.setdefault(who, []).append((count, one[who]))
    return lines and plot.chart(
        'Time to clone a cached image', 'volumes cloned from it before',
        'ms (log)', lines) or None


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


def _list_table(title: str, headings: Row, rows: Iterable[Row]) -> str:
    lines = [f'.. list-table:: {title}', '   :header-rows: 1', '']
    for row in (headings, *rows):
        lines += [f'   {" " if column else "*"} - {_escaped(cell)}'.rstrip()
                  for column, cell in enumerate(row)]
    return '\n'.join(lines)


def _escaped(cell: str) -> str:
    """A dash at the beginning would make a list of the cell."""
    return f'\\{cell}' if cell.startswith('-') else cell


def _terminal_row(one: Record) -> Row:
    wanted = one['wanted']
    asked = any(value is not None for value in wanted.values())
    verdict = 'missed: ' + ', '.join(one['missed']) if one['missed'] else 'ok'
    if wanted['at_most'] is not None:
        verdict += f' (at most {number(wanted["at_most"])})'
    return (one['title'], one['unit'], *_medians(one),
            _multiple(one['ours_vs_intree']), _wish_intree(one),
            _multiple(one['ours_vs_limit']), _wish_limit(one),
            verdict if asked else '')


def _times_row(one: Record) -> Row:
    def with_wish(value: str, wish: str) -> str:
        return value if wish == '-' else f'{value} ({wish})'

    return (one['title'], one['unit'], *_medians(one),
            with_wish(_multiple(one['ours_vs_intree']), _wish_intree(one)),
            with_wish(_multiple(one['ours_vs_limit']), _wish_limit(one)))


def _costs_row(one: Record) -> Row:
    def pair(key: str, unit: int = 1) -> str:
        found = one[key]
        return ' / '.join(
            number(found[who] / unit) if who in found else '-'
            for who in ('ours', 'intree'))

    return (one['title'], pair('temp_bytes', MIB), pair('cpu_seconds'),
            pair('connections'), pair('snapshots_on_source'))


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
