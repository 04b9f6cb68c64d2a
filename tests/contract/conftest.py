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
"""The pools that keep the contract: one in memory, one in a real Ceph."""

import pytest

from tests.contract import fake_pool
from tests.functional import conftest as functional

cluster = functional.cluster
cinder_config = functional.cinder_config


@pytest.fixture(params=['fake', 'ceph'])
def make_pool(request):
    """Makes an empty pool; in Ceph it is always the same one, emptied."""
    if request.param == 'fake':
        yield fake_pool.FakePool
        return
    cluster = request.getfixturevalue('cluster')

    def opened():
        functional.empty(cluster)
        return functional.open_pool(cluster, 'volumes')

    yield opened
    functional.empty(cluster)


@pytest.fixture
def pool(make_pool):
    return make_pool()
