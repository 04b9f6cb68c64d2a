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
"""The chart: well-formed, and every value at its place."""

from xml.etree import ElementTree

from bench import plot

SVG = '{http://www.w3.org/2000/svg}'


def circles(chart):
    return [(float(one.get('cx')), float(one.get('cy')))
            for one in ElementTree.fromstring(chart).iter(f'{SVG}circle')]


def test_axes_are_logarithmic():
    points = circles(plot.chart('a < b', 'x', 'y', {
        'ours': [(1, 10), (10, 100), (100, 1000)]}))

    (x1, y1), (x2, y2), (x3, y3) = points
    assert x2 - x1 == x3 - x2 > 0
    assert round(y1 - y2, 1) == round(y2 - y3, 1) > 0


def test_a_value_alone_can_be_drawn():
    assert len(circles(plot.chart('t', 'x', 'y', {'ours': [(1, 1)]}))) == 1
