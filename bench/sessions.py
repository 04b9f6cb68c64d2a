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

"""How many connections a cluster sees, whoever opens them.

Monitors give every client that connects a global id, one after the other; so
the ids of two clients of our own show how many connected between them.  The
monitors' performance counter ``session_add`` would be simpler but misses most
sessions in Ceph 16.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any


class Counter:
    """Counts the connections to a cluster.

    :param connect: opens a connection and closes it again, as
        ``sandbox.ceph.Cluster.connection`` does
    """

    def __init__(self, connect: Callable[[], AbstractContextManager[Any]],
                 ) -> None:
        self._connect = connect
        # How far one connection moves the ids: 2 with Ceph 16.  Somebody
        # else's connection can only make it look more.
        self._step = min(self._difference() for _ in range(3))
        self._last = self._id()

    def opened(self) -> int:
        """The connections opened since this was last asked."""
        last, self._last = self._last, self._id()
        return round((self._last - last) / self._step) - 1

    def _difference(self) -> int:
        first = self._id()
        return self._id() - first

    def _id(self) -> int:
        with self._connect() as client:
            return int(client.get_instance_id())
