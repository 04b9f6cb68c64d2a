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
"""What the command prints: tables for people, the rest for programs.

Records are mappings of plain values: bytes, seconds since the epoch.  A
table shows them in units that people read; the other formats of cliff have
them as they are.  Whoever names an image may have put control characters into
its name: JSON and YAML escape them, for the other formats this does.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import datetime
import sys
import time
from typing import Any
from typing import TextIO

from cliff import columns as cliff_columns

from rbd_imgdriver import model
from rbd_imgdriver import printable

TABLE = 'table'
_ESCAPING = ('json', 'yaml')

Record = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    :param key: of the value in each record
    :param show: turns the value into text
    """

    key: str
    show: Callable[[Any], str] = str

    @property
    def title(self) -> str:
        """What stands above it; cliff's ``-c`` takes it and the key alike."""
        return ' '.join(_WORDS.get(word, word.capitalize())
                        for word in self.key.split('_'))


_WORDS = {'id': 'ID', 'fsid': 'FSID'}


class _Cell(cliff_columns.FormattableColumn[Any]):
    """A value of a table, sorted by what it is and not by how it is shown."""

    def __init__(self, column: Column, value: Any) -> None:
        super().__init__(value)
        self._show = column.show

    def human_readable(self) -> str:
        """The text, on one line."""
        if self._value is None or self._value == '':
            return '-'
        return printable.one_line(self._show(self._value))


def rows(columns: Sequence[Column], records: Iterable[Record], format_: str,
         ) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The names of the columns and the records' values, as cliff takes them.

    :param format_: a format of cliff; what is not a table has all values
    """
    found = list(records)
    if format_ == TABLE:
        return ([column.title for column in columns],
                [tuple(_Cell(column, one.get(column.key))
                       for column in columns) for one in found])
    keys = list(dict.fromkeys([*(column.key for column in columns),
                               *(key for one in found for key in one)]))
    return keys, [tuple(_plain(one.get(key), format_) for key in keys)
                  for one in found]


def _plain(value: Any, format_: str) -> Any:
    if isinstance(value, str) and format_ not in _ESCAPING:
        return printable.one_line(value)
    return value


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
        """Show how many bytes of how many are done."""
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
