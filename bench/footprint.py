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

"""What an operation leaves in Ceph, and what it asks of it.

Objects are counted by listing every pool; operations and bytes are what the
object stores count themselves (``perf dump``: ``op_r``, ``op_w`` and
``op_rw`` of ``osd``, ``bluestore_allocated``).  A request to RADOS that both
reads and writes is a write.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import dataclasses
import json
from typing import Any

from bench import statistics


@dataclasses.dataclass(frozen=True)
class Footprint:
    """One operation's; differences between two moments.

    :param objects: more in all pools, the OSD's own included
    :param reads: requests to RADOS that only read
    :param writes: requests that write
    :param allocated_bytes: more on the OSDs' disks, without what is in omaps
    """

    objects: float
    reads: float
    writes: float
    allocated_bytes: float

    def __sub__(self, other: Footprint) -> Footprint:
        return self._each(lambda key: getattr(self, key)
                          - getattr(other, key))

    @classmethod
    def median(cls, taken: Sequence[Footprint]) -> Footprint:
        """The median of each figure."""
        return cls._each(lambda key: statistics.median(
            [getattr(one, key) for one in taken]))

    @classmethod
    def _each(cls, figure: Callable[[str], float]) -> Footprint:
        return cls(**{field.name: figure(field.name)
                      for field in dataclasses.fields(cls)})


def of(client: Any, action: Callable[[], object], times: int) -> Footprint:
    """The median footprint of something.

    Nothing else should use the cluster meanwhile.

    :param client: a ``rados.Rados`` that may ask the OSDs
    :param times: how often to do it
    """
    return Footprint.median([_once(client, action) for _ in range(times)])


def _once(client: Any, action: Callable[[], object]) -> Footprint:
    # To list the objects is to read: never between the two looks at what
    # the OSDs have counted.
    objects = -_objects(client)
    before = _counted(client)
    action()
    made = _counted(client) - before
    return dataclasses.replace(made, objects=objects + _objects(client))


def _counted(client: Any) -> Footprint:
    dumps = [_dump(client, osd) for osd in _osds(client)]
    return Footprint(
        objects=0, reads=sum(one['osd']['op_r'] for one in dumps),
        writes=sum(one['osd']['op_w'] + one['osd']['op_rw']
                   for one in dumps),
        allocated_bytes=sum(one['bluestore']['bluestore_allocated']
                            for one in dumps))


def _objects(client: Any) -> int:
    return sum(_objects_of(client, pool) for pool in client.list_pools())


def _objects_of(client: Any, pool: str) -> int:
    with client.open_ioctx(pool) as ioctx:
        return sum(1 for _ in ioctx.list_objects())


def _osds(client: Any) -> list[int]:
    command = json.dumps({'prefix': 'osd ls', 'format': 'json'})
    return list(json.loads(client.mon_command(command, b'')[1]))


def _dump(client: Any, osd: int) -> dict[str, Any]:
    command = json.dumps({'prefix': 'perf dump'})
    return dict(json.loads(client.osd_command(osd, command, b'')[1]))
