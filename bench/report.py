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

from collections.abc import Sequence
from typing import Any

from bench import machine

HEADINGS = ('Case', 'Unit', 'Ours', 'In-tree', 'Limit', 'vs in-tree',
            'wanted', 'vs limit', 'wanted', '')
COSTS = ('Case', 'Temporary MiB', 'CPU seconds', 'Connections',
         'Snapshots on the source')
MIB = 2**20

Row = tuple[str, ...]
Record = dict[str, Any]


def table(records: Sequence[Record]) -> str:
    """The results as columns of text."""
    rows = [HEADINGS, *map(_row, records)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return '\n'.join(_line(row, widths) for row in rows)


def _line(row: Row, widths: Sequence[int]) -> str:
    # Words to the left, figures to the right.
    cells = [cell.ljust(width) if number < 2 else cell.rjust(width)
             for number, (cell, width) in enumerate(
                 zip(row, widths, strict=True))]
    return '  '.join(cells).rstrip()


def rest(records: Sequence[Record]) -> str:
    """The results as a part of the documentation."""
    runs = list(dict.fromkeys(machine.describe(one['run'])
                              for one in records))
    parts = [f'Measured on {run}.' for run in runs]
    parts.append(_list_table('Time', HEADINGS, map(_row, records)))
    parts.append(_list_table('Cost of one volume (ours / in-tree)', COSTS,
                             map(_cost_row, records)))
    parts += [f'{one["title"]}: {one["note"]}'
              for one in records if one['note']]
    return '.. Written by "make bench"; do not edit.\n\n' + (
        '\n\n'.join(parts) + '\n')


def _list_table(title: str, headings: Row, rows: Any) -> str:
    lines = [f'.. list-table:: {title}', '   :header-rows: 1', '']
    for row in (headings, *rows):
        for number, cell in enumerate(row):
            lines.append(f'   {" " if number else "*"} - {cell}'.rstrip())
    return '\n'.join(lines)


def _row(one: Record) -> Row:
    wanted, at_least = one['wanted'], one['more_is_better']
    vs_limit = wanted['vs_limit']
    note = 'missed: ' + ', '.join(one['missed']) if one['missed'] else 'ok'
    if wanted['at_most'] is not None:
        note += f' (at most {number(wanted["at_most"])})'
    return (one['title'], one['unit'], number(one['ours']),
            number(one['intree']), number(one['limit']),
            _times(one['ours_vs_intree']), _bound('>=', wanted['vs_intree']),
            _times(one['ours_vs_limit']),
            _bound('>=' if at_least else '<=', vs_limit),
            note if any(value is not None for value in wanted.values())
            else '')


def _cost_row(one: Record) -> Row:
    def pair(key: str, unit: int = 1) -> str:
        found = one[key]
        return ' / '.join(
            number(found[who] / unit) if who in found else '-'
            for who in ('ours', 'intree'))

    return (one['title'], pair('temp_bytes', MIB), pair('cpu_seconds'),
            pair('connections'), pair('snapshots_on_source'))


def number(value: float | None) -> str:
    """A figure with three digits that count."""
    if value is None:
        return '-'
    if value == 0 or abs(value) >= 100:
        return f'{value:.0f}'
    return f'{value:.3g}'


def _times(value: float | None) -> str:
    return '-' if value is None else f'{number(value)}x'


def _bound(sign: str, value: float | None) -> str:
    return '-' if value is None else f'{sign} {number(value)}x'
