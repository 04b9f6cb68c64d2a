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
"""How to make a clone under ``rbd_max_clone_depth``: a pure decision."""

import enum


class Plan(enum.Enum):
    """What to do so that no chain gets longer than allowed."""

    FULL_COPY = 'full copy'
    CLONE = 'clone'
    FLATTEN_SOURCE_THEN_CLONE = 'flatten the source, then clone'
    CLONE_THEN_FLATTEN = 'clone, then flatten the clone'


def plan(depth: int, limit: int, source_may_be_flattened: bool) -> Plan:
    """Decide how to clone a source.

    :param depth: ancestors of the source, see ``Pool.depth``
    :param limit: ``rbd_max_clone_depth``: the most ancestors an image may
        have
    :param source_may_be_flattened: whether the source has no snapshots, and
        nobody uses it
    """
    if limit <= 0:
        return Plan.FULL_COPY
    if depth < limit:
        return Plan.CLONE
    if source_may_be_flattened:
        return Plan.FLATTEN_SOURCE_THEN_CLONE
    return Plan.CLONE_THEN_FLATTEN
