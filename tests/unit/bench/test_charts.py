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

"""Which charts there are, of what was measured."""

from bench import charts


def record(name, unit='ms'):
    return {'name': name, 'unit': unit, 'ours': 1.5, 'intree': 30,
            'limit': None}


def test_each_is_made_of_its_cases():
    made = charts.charts([
        record('import-raw', 's'), record('cached-clone-children-1'),
        record('cached-clone-children-10'), record('storm-raw-rate', '1/s')])

    assert [one.name for one in made] == [
        'benchmarks-create', 'benchmarks-children', 'benchmarks-storm']
    assert '>1500<' in made[0].svg  # milliseconds
    assert [f'.. figure:: {one.name}.svg' in charts.figures(made)
            for one in made] == [True] * 3


def test_what_was_not_measured_is_left_out():
    assert charts.charts([record('growth-1000')]) == []
