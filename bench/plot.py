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

"""Charts as SVG: lines of what scales with something, and bars.

They are as wide as a telephone, with letters that can be read there, and are
stretched on wider screens.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import io
from typing import Any

COLOURS = {'ours': '#1b6ca8', 'intree': '#c0392b', 'limit': '#7f8c8d'}
LABELS = {'ours': 'rbd-imgdriver', 'intree': 'in-tree', 'limit': 'limit'}

_WIDTH = 4.0  # inches: 384 of a browser's pixels
_HEIGHT = 3.4
_GROUP_HEIGHT = 0.6  # of a group of bars
_BAR = 0.27  # of the distance between two groups

# The same figures make the same file, and text stays text.
_STYLE = {'svg.hashsalt': 'rbd-imgdriver', 'svg.fonttype': 'none',
          'font.size': 10, 'axes.titlesize': 11}

Points = Sequence[tuple[float, float]]


def lines(title: str, x_label: str, y_label: str,
          of: Mapping[str, Points]) -> str:
    """A chart with logarithmic axes.

    :param of: points (x, y), both positive, of each contender
    """
    with _drawn(_HEIGHT, title=title, xlabel=x_label, ylabel=y_label,
                xscale='log', yscale='log') as (axes, file):
        axes.grid(color='#dddddd')
        for who, points in of.items():
            axes.plot(*zip(*points, strict=True), marker='o', markersize=4,
                      color=COLOURS[who], label=LABELS[who])
        axes.legend()
    return file.getvalue()


def bars(title: str, x_label: str, groups: Mapping[str, Mapping[str, float]],
         log: bool = True) -> str:
    """Groups of bars below each other, with their figures.

    :param groups: positive values of contenders, by the group's name
    """
    height = 1.2 + _GROUP_HEIGHT * len(groups)
    with _drawn(height, title=title, xlabel=x_label,
                xscale='log' if log else 'linear') as (axes, file):
        axes.set_yticks(range(len(groups)), groups)
        axes.invert_yaxis()
        axes.grid(axis='x', color='#dddddd')
        axes.set_axisbelow(True)
        axes.margins(x=0.22)
        for number, who in enumerate(COLOURS):
            there = [(place + (number - 1) * _BAR, values[who])
                     for place, values in enumerate(groups.values())
                     if who in values]
            if there:
                _bars(axes, who, there)
        axes.figure.legend(loc='outside lower center', ncols=len(COLOURS))
    return file.getvalue()


def _bars(axes: Any, who: str, there: Points) -> None:
    drawn = axes.barh(*zip(*there, strict=True), height=_BAR,
                      color=COLOURS[who], label=LABELS[who])
    axes.bar_label(drawn, [f'{value:.3g}' if value < 1000 else f'{value:.0f}'
                           for _, value in there], padding=2, fontsize=8)


@contextlib.contextmanager
def _drawn(height: float, **settings: str) -> Iterator[
        tuple[Any, io.StringIO]]:
    """Axes to draw on; the file has the drawing afterwards."""
    # Half a second, which only who draws has to wait.
    import matplotlib
    from matplotlib import figure

    with matplotlib.rc_context(_STYLE):
        drawing = figure.Figure(figsize=(_WIDTH, height),
                                layout='constrained')
        file = io.StringIO()
        yield drawing.add_subplot(**settings), file
        drawing.savefig(file, format='svg', metadata={'Date': None})
