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
    """What to do so that no chain gets longer than allowed.

    At the limit either the source or the clone has to be flattened.  A
    source without children is: every later clone of it gains.  The new
    volume does not wait for that: it becomes another child of the source's
    parent, with a copy of the source's own data.
    """

    FULL_COPY = 'full copy'
    CLONE = 'clone'
    SIBLING_THEN_FLATTEN_SOURCE = (
        "copy the source's own data beside it, then flatten the source")
    CLONE_THEN_FLATTEN = 'clone, then flatten the clone'


def plan(depth: int, limit: int, source_is_lone: bool) -> Plan:
    """Decide how to clone a source.

    :param depth: ancestors of the source, see ``pool.ancestry.depth()``
    :param limit: ``rbd_max_clone_depth``: the most ancestors an image may
        have
    :param source_is_lone: whether the source has no snapshots, and so no
        children, and is not in use
    """
    if limit <= 0:
        return Plan.FULL_COPY
    if depth < limit:
        return Plan.CLONE
    if depth == limit and source_is_lone:
        return Plan.SIBLING_THEN_FLATTEN_SOURCE
    return Plan.CLONE_THEN_FLATTEN
