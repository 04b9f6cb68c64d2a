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

from xml.etree import ElementTree

from bench import plot

LINES = {'ours': [(1, 10), (10, 100), (100, 1000)], 'limit': [(1, 9)]}


def test_title_axes_and_contenders_are_named():
    drawn = ElementTree.fromstring(plot.chart('a < b', 'x axis', 'ms', LINES))

    texts = {one.text for one in drawn.iter() if one.text}
    assert {'a < b', 'x axis', 'ms', 'rbd-imgdriver', 'librbd'} <= texts


def test_the_same_figures_make_the_same_file():
    assert plot.chart('t', 'x', 'y', LINES) == plot.chart(
        't', 'x', 'y', LINES)
