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
import io

COLOURS = {'ours': '#1b6ca8', 'intree': '#c0392b', 'limit': '#7f8c8d'}
LABELS = {'ours': 'rbd-imgdriver', 'intree': 'in-tree', 'limit': 'librbd'}

# The same figures make the same file, and text stays text.
_STYLE = {'svg.hashsalt': 'rbd-imgdriver', 'svg.fonttype': 'none'}

Points = Sequence[tuple[float, float]]


def chart(title: str, x_label: str, y_label: str,
          lines: Mapping[str, Points]) -> str:
    """A chart with logarithmic axes.

    :param lines: points (x, y), both positive, of each contender
    """
    # Half a second, which only who draws has to wait.
    import matplotlib
    from matplotlib import figure

    with matplotlib.rc_context(_STYLE):
        drawing = figure.Figure(figsize=(6.4, 3.6), layout='constrained')
        axes = drawing.add_subplot(title=title, xlabel=x_label,
                                   ylabel=y_label, xscale='log', yscale='log')
        axes.grid(color='#dddddd')
        for who, points in lines.items():
            axes.plot(*zip(*points, strict=True), marker='o', markersize=3,
                      color=COLOURS[who], label=LABELS[who])
        axes.legend()
        file = io.StringIO()
        drawing.savefig(file, format='svg', metadata={'Date': None})
    return file.getvalue()
