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
"""Ratios, what is missed, and the file of results."""

import json

import pytest

from bench import contender
from bench import footprint
from bench import report
from bench import results

RUN = {'machine': 'm', 'ceph': '16', 'cinder': '29', 'qemu': '7',
       'python': '3', 'commit': 'c', 'date': 'd', 'load': 0, 'scale': 'full'}


def result(ours, intree=None, limit=None, **facts):
    values = {'ours': [ours], 'intree': [intree], 'limit': [limit]}
    return results.Result('name', 'title', 'ms', {
        who: value for who, value in values.items() if value != [None]},
        **facts)


def test_less_time_is_better():
    found = result(10, intree=50, limit=8)

    assert found.vs_intree == 5
    assert found.vs_limit == 1.25


def test_more_volumes_per_second_are_better():
    found = result(40, intree=4, limit=50, more_is_better=True)

    assert found.vs_intree == 10
    assert found.vs_limit == 0.8


@pytest.mark.parametrize(('wanted', 'missed'), [
    (results.Wanted(), []),
    (results.Wanted(vs_intree=5, vs_limit=1.25), []),
    (results.Wanted(vs_intree=5.1), ['in-tree']),
    (results.Wanted(vs_limit=1.2), ['limit']),
    (results.Wanted(over_limit=2), []),
    (results.Wanted(over_limit=1.9), ['limit']),
    (results.Wanted(at_most=10), []),
    (results.Wanted(at_most=9), ['value']),
])
def test_what_is_missed(wanted, missed):
    assert result(10, 50, 8, wanted=wanted).missed == missed


def test_a_rate_may_not_fall_below_the_limits_share():
    wanted = results.Wanted(vs_limit=0.8)

    slow = result(39, limit=50, more_is_better=True, wanted=wanted)
    fast = result(60, limit=50, more_is_better=True, wanted=wanted)

    assert slow.missed == ['limit']
    assert fast.missed == []


def test_a_wish_that_was_not_measured_is_missed():
    assert result(1, wanted=results.Wanted(vs_intree=2)).missed == ['in-tree']


def test_time_and_costs_are_for_one_volume():
    samples = {'ours': [contender.Sample(
        seconds=0.4, cpu_seconds=0.2, connections=20, temp_bytes=7)]}

    found = results.of_samples('name', 'title', samples, count=20)

    assert found.median('ours') == pytest.approx(20)
    assert found.costs['cpu_seconds'] == {'ours': 0.01}
    assert found.costs['connections'] == {'ours': 1}
    assert found.costs['temp_bytes'] == {'ours': 7}


def test_the_most_connections_of_all_cases():
    def case(ours, intree):
        return result(1, costs={'connections': {'ours': ours,
                                                'intree': intree}})

    found, = results.connections([case(0, 5), case(1, 2), result(1)])

    assert found.values == {'ours': [1], 'intree': [5]}
    assert found.missed == ['value']


def test_other_cases_stay_in_the_file(tmp_path):
    path = tmp_path / 'results.json'
    path.write_text(json.dumps([{'name': 'other'}, {'name': 'name'}]))

    results.save(path, [result(10)], RUN, keep=True)

    other, renewed = json.loads(path.read_text())
    assert other == {'name': 'other'}
    assert renewed['ours'] == 10
    assert renewed['run'] == RUN


def test_a_run_of_all_cases_begins_anew(tmp_path):
    path = tmp_path / 'results.json'
    path.write_text(json.dumps([{'name': 'other'}]))

    results.save(path, [result(10)], RUN, keep=False)

    assert [one['name'] for one in json.loads(path.read_text())] == ['name']


def test_the_storms_stay_in_any_case(tmp_path):
    path = tmp_path / 'results.json'
    path.write_text(json.dumps([{'name': 'storm-raw-rate'},
                                {'name': 'growth-1000'}]))

    results.save(path, [result(10)], RUN, keep=False)

    assert [one['name'] for one in json.loads(path.read_text())] == [
        'storm-raw-rate', 'name']


@pytest.mark.parametrize(('count', 'shown'), [
    (1, ['p50']), (19, ['p50']), (20, ['p50', 'p95']),
    (100, ['p50', 'p95', 'p99'])])
def test_a_percentile_is_another_value_than_the_largest(count, shown):
    found = results.Result('name', 'title', 'ms', {
        'ours': list(range(count))}).as_json()

    assert list(found['percentiles']['ours']) == shown
    assert found['range'] == {'ours': [0, count - 1]}
    assert count == 1 or max(
        found['percentiles']['ours'].values()) < count - 1


@pytest.mark.parametrize(('facts', 'words'), [
    ({'wanted': results.Wanted(vs_intree=10)},
     '5 times as good as in-tree, where 10 times were wanted'),
    ({'wanted': results.Wanted(vs_limit=1.1)},
     '1.25 times the limit, where at most 1.1 times was wanted'),
    ({'wanted': results.Wanted(vs_limit=2), 'more_is_better': True},
     '1.25 times the limit, where at least 2 times was wanted'),
    ({'wanted': results.Wanted(over_limit=1)},
     '2 ms above the limit, where at most 1 ms was wanted'),
    ({'wanted': results.Wanted(at_most=9)},
     '10 ms, where at most 9 ms was wanted'),
])
def test_a_missed_goal_in_words(facts, words):
    record = {**result(10, 50, 8, **facts).as_json(), 'run': RUN}

    assert report.missed(record) == [words]
    text = report.rest([record])
    assert f'* Missed: title: {words}.' in text
    assert '0 of 1 cases with a goal reach it.' in text


def test_what_it_costs_ceph():
    ours = footprint.Footprint(objects=3, reads=20, writes=15,
                               allocated_bytes=8192)
    record = {**result(10, 50, footprints={'ours': ours}).as_json(),
              'run': RUN}

    text = report.rest([record])

    assert text[text.index('KiB on the disk'):].split('\n')[1:6] == [
        '   * - title', '     - 3 / - / -', '     - 15 / - / -',
        '     - 20 / - / -', '     - 8 / - / -']


def test_the_reports_show_what_was_missed(tmp_path):
    wanted = results.Wanted(vs_intree=10)
    records = results.save(tmp_path / 'results.json',
                           [result(10, 50, wanted=wanted)], RUN, keep=False)

    assert 'missed: in-tree' in report.table(records)
    assert '5x (missed: >= 10x)' in report.rest(records)
