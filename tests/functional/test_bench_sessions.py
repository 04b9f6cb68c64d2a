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
"""The benchmarks' counter of connections counts every one."""

from bench import sessions


def counted(cluster) -> tuple[int, int]:
    """The connections while two clients open one each, and after that."""
    counter = sessions.Counter(cluster.connection)
    with cluster.connection('cinder'), cluster.connection('cinder'):
        open_now = counter.opened()
    return open_now, counter.opened()


def test_each_connection_is_counted_once(cluster):
    # Somebody else who connects meanwhile can only make it look more.
    found = [counted(cluster) for _ in range(3)]

    assert min(open_now for open_now, _ in found) == 2
    assert min(ended_now for _, ended_now in found) == 0
