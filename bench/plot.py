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

"""A line chart as SVG, of the cases that scale with something."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import math
from xml.sax import saxutils

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 110, 40, 50
COLOURS = {'ours': '#1b6ca8', 'intree': '#c0392b', 'limit': '#7f8c8d'}
LABELS = {'ours': 'rbd-imgdriver', 'intree': 'in-tree', 'limit': 'librbd'}

Points = Sequence[tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class _Axis:
    """Puts values of a logarithmic axis on the paper.

    :param low: the least value
    :param high: the greatest
    :param start: where the least one is drawn
    :param end: where the greatest one is
    """

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        span = math.log(self.high / self.low) or 1.0
        share = math.log(value / self.low) / span
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """The powers of ten on the axis."""
        return [10.0 ** power for power in range(
            math.ceil(math.log10(self.low)),
            math.floor(math.log10(self.high)) + 1)]


def chart(title: str, x_label: str, y_label: str,
          lines: Mapping[str, Points]) -> str:
    """A chart with logarithmic axes.

    :param lines: points (x, y), both positive, of each contender
    """
    points = [point for line in lines.values() for point in line]
    x_axis = _axis([x for x, _ in points], LEFT, WIDTH - RIGHT)
    y_axis = _axis([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        _text(WIDTH / 2, 22, title, 'middle'),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x_label, 'middle'),
        _text(LEFT - 60, TOP - 12, y_label),
        *_grid(x_axis, y_axis)]
    for who, line in lines.items():
        parts += _line(who, [(x_axis.at(x), y_axis.at(y)) for x, y in line])
    return '\n'.join([*parts, '</svg>']) + '\n'


def _axis(values: Sequence[float], start: float, end: float) -> _Axis:
    """From the power of ten below the values to that above them."""
    return _Axis(10.0 ** math.floor(math.log10(min(values))),
                 10.0 ** math.ceil(math.log10(max(values))), start, end)


def _grid(x_axis: _Axis, y_axis: _Axis) -> list[str]:
    parts = []
    for tick in x_axis.ticks():
        at = x_axis.at(tick)
        parts += [_stroke(at, y_axis.start, at, y_axis.end),
                  _text(at, y_axis.start + 18, f'{tick:g}', 'middle')]
    for tick in y_axis.ticks():
        at = y_axis.at(tick)
        parts += [_stroke(x_axis.start, at, x_axis.end, at),
                  _text(x_axis.start - 8, at + 4, f'{tick:g}', 'end')]
    return parts


def _line(who: str, points: Points) -> list[str]:
    colour = COLOURS[who]
    path = ' '.join(f'{x},{y}' for x, y in points)
    x, y = points[-1]
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" '
            'stroke-width="2"/>',
            *(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>'
              for x, y in points),
            _text(x + 8, y + 4, LABELS[who], colour=colour)]


def _stroke(x1: float, y1: float, x2: float, y2: float) -> str:
    return (f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" '
            'stroke="#dddddd"/>')


def _text(x: float, y: float, text: str, anchor: str = 'start',
          colour: str = 'black') -> str:
    return (f'<text x="{x}" y="{y}" text-anchor="{anchor}" '
            f'fill="{colour}">{saxutils.escape(text)}</text>')
