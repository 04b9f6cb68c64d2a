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
"""What the command prints: a table for people, JSON for programs.

Records are mappings of plain values: bytes, seconds since the epoch.  A
table shows them in units that people read; JSON has them as they are.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import datetime
import json
import sys
import time
from typing import Any
from typing import TextIO

from rbd_imgdriver import model
from rbd_imgdriver import printable

FORMATS = ('table', 'json')

Record = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    :param key: of the value in each record
    :param show: turns the value into text
    """

    key: str
    title: str
    show: Callable[[Any], str] = str


class Output:
    """Prints in the format that was asked for."""

    def __init__(self, format_: str, stream: TextIO | None = None) -> None:
        self._json = format_ == 'json'
        self._stream = stream or sys.stdout

    def records(self, columns: Sequence[Column],
                records: Iterable[Record]) -> None:
        """Print a table with a line for each record, or a JSON list."""
        if self._json:
            self._print(json.dumps([dict(one) for one in records], indent=2))
            return
        rows = [[_text(column, one) for column in columns] for one in records]
        titles = [column.title for column in columns]
        self._print(*_aligned([titles, *rows]))

    def record(self, columns: Sequence[Column], record: Record) -> None:
        """Print one record, a line for each value, or a JSON object."""
        if self._json:
            self._print(json.dumps(dict(record), indent=2))
            return
        self._print(*_aligned([[column.title + ':', _text(column, record)]
                               for column in columns]))

    def say(self, text: str) -> None:
        """Print a sentence for people; JSON leaves it out."""
        if not self._json:
            self._print(*map(printable.one_line, text.split('\n')))

    def _print(self, *lines: str) -> None:
        for line in lines:
            print(line, file=self._stream)


def size(value: int | None) -> str:
    """Bytes in the largest unit that leaves a figure of at least one."""
    if value is None:
        return '-'
    number = float(value)
    for unit in ('B', 'KiB', 'MiB', 'GiB'):
        if number < 1024:
            return f'{number:.4g} {unit}'
        number /= 1024
    return f'{number:.4g} TiB'


def moment(value: float | None) -> str:
    """Seconds since the epoch as a UTC time; '-' for none."""
    if not value:
        return '-'
    when = datetime.datetime.fromtimestamp(value, datetime.UTC)
    return when.strftime('%Y-%m-%d %H:%M:%SZ')


def yes(value: bool) -> str:
    """A truth value in words."""
    return 'yes' if value else 'no'


class Progress:
    """A progress bar on stderr, if that is a terminal.

    :param label: what is under way
    """

    _WIDTH = 30
    _INTERVAL = 0.1

    def __init__(self, label: str, stream: TextIO | None = None,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._label = printable.one_line(label)
        self._stream = stream or sys.stderr
        self._clock = clock
        self._shown = -self._INTERVAL
        self._begun = False

    def show(self, done: int, total: int) -> None:
        """So many bytes are done, and so many there are."""
        now = self._clock()
        often = now - self._shown < self._INTERVAL and done < total
        if often or not self._stream.isatty():
            return
        self._shown = now
        self._begun = True
        print(f'\r{self._label} {self._bar(done, total)}', end='',
              file=self._stream, flush=True)

    def close(self) -> None:
        """End the line."""
        if self._begun:
            print(file=self._stream)

    def _bar(self, done: int, total: int) -> str:
        share = min(1.0, done / total) if total else 0.0
        filled = int(share * self._WIDTH)
        return (f'[{"#" * filled}{" " * (self._WIDTH - filled)}] '
                f'{share:4.0%} of {size(total)}')


def gib(value: int) -> str:
    """Bytes in GiB, as Cinder counts sizes."""
    return f'{value / model.GIB:.4g} GiB'


def _text(column: Column, record: Record) -> str:
    value = record.get(column.key)
    if value is None or value == '':
        return '-'
    return printable.one_line(column.show(value))


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ['  '.join(cell.ljust(width) for cell, width
                      in zip(row, widths, strict=True)).rstrip()
            for row in rows]
