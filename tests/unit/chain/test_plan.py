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
"""How to clone under a limit of depth."""

import pytest

from rbd_imgdriver.chain import plan

Plan = plan.Plan


@pytest.mark.parametrize(('depth', 'limit', 'lone', 'expected'), [
    (0, 5, True, Plan.CLONE),
    (4, 5, False, Plan.CLONE),
    (5, 5, True, Plan.SIBLING_THEN_FLATTEN_SOURCE),
    (5, 5, False, Plan.CLONE_THEN_FLATTEN),
    # Made before the limit was lowered: a sibling would be as deep.
    (6, 5, True, Plan.CLONE_THEN_FLATTEN),
    (0, 0, True, Plan.FULL_COPY),
    (3, -1, False, Plan.FULL_COPY),
    (1, 1, True, Plan.SIBLING_THEN_FLATTEN_SOURCE),
])
def test_plan(depth, limit, lone, expected):
    assert plan.plan(depth, limit, lone) is expected


@pytest.mark.parametrize('limit', [1, 2, 5, 16])
@pytest.mark.parametrize('lone', [False, True])
def test_no_chain_grows_beyond_the_limit(limit, lone):
    """What a decision leads to, once it is carried out."""
    depth = 0
    for _ in range(3 * limit):
        decision = plan.plan(depth, limit, lone)
        if decision is Plan.CLONE:
            depth += 1
        elif decision is Plan.CLONE_THEN_FLATTEN:
            depth = 0
        else:
            assert decision is Plan.SIBLING_THEN_FLATTEN_SOURCE
        assert depth <= limit
