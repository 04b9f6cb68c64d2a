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
"""What backends of one cinder.conf get wrong together."""

import dataclasses

import pytest

from rbd_imgdriver.cmd.checks import together

A = together.Peer('a', 'fsid', 'volumes', limits=(10, 0), depth=5,
                  metrics=('127.0.0.1', 19283))
B = dataclasses.replace(A, name='b', metrics=('127.0.0.1', 19284))
ELSEWHERE = dataclasses.replace(A, name='c', cluster='other', limits=(5, 0),
                                depth=1, metrics=None)


def found(*peers: together.Peer) -> list[tuple[str, str]]:
    return [(one.code, one.subject) for one in together.check(peers)]


def test_backends_that_agree_are_not_mentioned():
    assert found(A, B, ELSEWHERE) == []
    assert found() == []


@pytest.mark.parametrize(('change', 'code'), [
    ({'limits': (20, 0)}, 'cache-limits-differ'),
    ({'depth': 0}, 'depth-differs'),
    ({'metrics': ('127.0.0.1', 19283)}, 'metrics-port-twice'),
    ({'ours': False, 'limits': None, 'depth': 5, 'metrics': None},
     'pool-shared-with-intree'),
])
def test_backends_that_do_not_are(change, code):
    assert found(A, dataclasses.replace(B, **change), ELSEWHERE) == [
        (code, 'a, b')]


def test_two_backends_of_cinders_own_driver_are_none_of_ours():
    assert found(*(dataclasses.replace(one, ours=False, metrics=None)
                   for one in (A, B))) == []
