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

"""What is said about a run of Tempest."""

import pytest

from tests.tempest import leftovers
from tests.tempest import run
from tests.tempest import summary

VOLUME = '11111111-2222-3333-4444-555555555555'
OTHER = '99999999-2222-3333-4444-555555555555'


def report(left=(), **statuses):
    outcomes = tuple(run.Outcome(id, status, 1.0, reason='why')
                     for id, status in statuses.items())
    return summary.Report('driver', 10.0, outcomes, tuple(left))


@pytest.mark.parametrize('name', [
    f'volume-{VOLUME}',
    f'volume-{VOLUME}@snapshot-{VOLUME}',
    f'volume-{OTHER}.backup.{VOLUME}',
    f'volume-{OTHER}.deleted@volume-{VOLUME}.clone_snap',
    VOLUME,
    f'{VOLUME}@snap',
    f'trash: volume-{OTHER}@snapshot-{OTHER}',
    f'image-cache-{OTHER}-0123456789ab',
    f'image-cache-{OTHER}-0123456789ab@base',
])
def test_accounted(name):
    assert leftovers.accounted(name, {VOLUME})


@pytest.mark.parametrize('name', [
    f'volume-{OTHER}',
    f'volume-{VOLUME}@snapshot-{OTHER}',
    f'volume-{VOLUME}@volume-{OTHER}.clone_snap',
    f'{OTHER}@snap',
    f'trash: volume-{VOLUME}',
    f'.partial-image-cache-{OTHER}-0123456789ab',
    'whatever',
])
def test_not_accounted(name):
    assert not leftovers.accounted(name, {VOLUME})


def test_good():
    assert report(a='success', b='skip').good


@pytest.mark.parametrize('bad', [
    report(),
    report(a='skip'),
    report(a='success', b='fail'),
    report(a='success', b='unknown'),
    report(a='success', left=['volumes/volume-x']),
])
def test_not_good(bad):
    assert not bad.good


def test_what_glance_leaves_is_told_but_not_held_against_cinder():
    answer = report(a='success', left=['images/trash: x'])

    assert answer.good
    assert 'left behind: images/trash: x' in list(summary.lines(answer))


def test_skips_that_only_we_have():
    ours = report(a='skip', b='skip', c='success', new='skip')
    other = report(a='skip', b='success', c='skip')

    assert summary.only_ours(ours, other, 'skip') == ['b']


def test_counts():
    assert report(a='success', b='fail', c='skip', d='success').counts == (
        '2 passed, 1 failed, 1 skipped')


def test_a_report_is_read_as_it_was_written(tmp_path):
    written = report(a='success', b='fail', left=['volumes/x'])
    written.save(tmp_path / 'new' / 'report.json')

    assert summary.Report.load(tmp_path / 'new' / 'report.json') == written
