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
"""What Ceph's health means for creates."""

import pytest

from rbd_imgdriver.cmd.checks import health


def answer(*checks: str, muted: bool = False) -> dict:
    return {'status': 'HEALTH_WARN' if checks else 'HEALTH_OK', 'checks': {
        code: {'severity': 'HEALTH_WARN', 'muted': muted,
               'summary': {'message': f'about {code}', 'count': 1}}
        for code in checks}}


def codes(*checks: str, **how) -> list[str]:
    return [one.code for one in health.check('volumes', answer(*checks,
                                                               **how))]


def test_a_healthy_cluster_is_said_to_be_so():
    assert codes() == ['healthy']
    assert codes('MGR_DOWN', muted=True) == ['healthy']


@pytest.mark.parametrize(('check', 'code'), [
    ('MGR_DOWN', 'manager-down'), ('MON_DOWN', 'monitor-down'),
    ('OSD_DOWN', 'osd-down'), ('OSD_FULL', 'cluster-full'),
    ('OSD_NEARFULL', 'cluster-nearly-full'),
    ('OSD_BACKFILLFULL', 'cluster-nearly-full'),
    ('PG_AVAILABILITY', 'data-unavailable'),
    ('SLOW_OPS', 'slow-operations'),
    # Of which pool it does not say; ours are looked at by themselves.
    ('POOL_FULL', 'health'), ('TOO_FEW_PGS', 'health'),
])
def test_what_is_wrong_is_said_in_terms_of_creates(check, code):
    (found,) = health.check('volumes', answer(check))

    assert (found.code, found.subject) == (code, 'volumes')
    assert f'{check}: about {check}' in found.detail


def test_several_that_mean_the_same_are_one_finding():
    assert codes('OSD_DOWN', 'OSD_HOST_DOWN', 'A', 'B') == [
        'osd-down', 'health']


def test_whether_the_manager_answers():
    assert health.manager_is_up(answer('OSD_DOWN'))
    assert not health.manager_is_up(answer('MGR_DOWN'))
