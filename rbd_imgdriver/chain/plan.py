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

# Bytes that are copied inside a create: about a second's work.
_QUICK = 256 * 2**20


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


def plan(depth: int, limit: int, cost_of_sibling: int | None) -> Plan:
    """Decide how to clone a source.

    :param depth: ancestors of the source, see ``Pool.depth``
    :param limit: ``rbd_max_clone_depth``: the most ancestors an image may
        have
    :param cost_of_sibling: see ``Pool.cost_of_sibling``; None when the
        source has children or is in use
    """
    if limit <= 0:
        return Plan.FULL_COPY
    if depth < limit:
        return Plan.CLONE
    if (depth == limit and cost_of_sibling is not None
            and cost_of_sibling <= _QUICK):
        return Plan.SIBLING_THEN_FLATTEN_SOURCE
    return Plan.CLONE_THEN_FLATTEN
