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

"""The chart: well-formed, and the same for the same figures."""

import re
from xml.etree import ElementTree

from bench import plot

LINES = {'ours': [(1, 10), (10, 100), (100, 1000)], 'limit': [(1, 9)]}
GROUPS = {'one kind': {'ours': 10, 'limit': 9}, 'other': {'intree': 1000}}


def test_title_axes_and_contenders_are_named():
    drawn = ElementTree.fromstring(plot.lines('a < b', 'x axis', 'ms', LINES))

    texts = {one.text for one in drawn.iter() if one.text}
    assert {'a < b', 'x axis', 'ms', 'rbd-imgdriver', 'limit'} <= texts


def test_the_same_figures_make_the_same_file():
    assert plot.lines('t', 'x', 'y', LINES) == plot.lines(
        't', 'x', 'y', LINES)


def test_bars_bear_their_figures():
    drawn = ElementTree.fromstring(plot.bars('title', 'ms', GROUPS))

    texts = {one.text for one in drawn.iter() if one.text}
    assert {'title', 'ms', 'one kind', 'other', '10', '9', '1000', 'in-tree',
            'rbd-imgdriver'} <= texts


def test_charts_fit_a_telephone():
    for svg in (plot.lines('t', 'x', 'y', LINES),
                plot.bars('t', 'x', GROUPS)):
        drawn = ElementTree.fromstring(svg)

        assert float(drawn.get('width').removesuffix('pt')) <= 300
        sizes = [float(size) for size in re.findall(
            r'font-size: ([\d.]+)px', svg)]
        assert sizes
        assert min(sizes) >= 7
