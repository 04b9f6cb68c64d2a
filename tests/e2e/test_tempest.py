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

"""A short selection of Tempest's tests; "make tempest" runs them all."""

import pathlib

import pytest

from tests.tempest import leftovers
from tests.tempest import run
from tests.tempest import workspace

LISTS = pathlib.Path(__file__).resolve().parents[1] / 'tempest'


@pytest.fixture
def tempest(sandbox):
    where = workspace.Workspace(sandbox)
    where.prepare()
    return where


def test_short_selection(sandbox, tempest):
    before = leftovers.unknown(sandbox)

    outcomes = run.tempest(tempest, LISTS / 'short.txt', LISTS / 'exclude.txt')

    assert [f'{each.id}\n{each.traceback}'
            for each in outcomes if each.failed] == []
    assert [f'{each.id}: {each.reason}'
            for each in outcomes if each.status == 'skip'] == []
    left = leftovers.left(sandbox, before)
    # Glance moves images that have clones to the trash of its own pool.
    assert [name for name in left if not name.startswith('images/')] == []
