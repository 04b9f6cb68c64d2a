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
"""How much room a pool has.
"""

from collections.abc import Mapping
import dataclasses
import json
from typing import Any

from rbd_imgdriver.ceph import errors


@dataclasses.dataclass(frozen=True)
class Capacity:
    """The room of a pool in bytes.

    :param free: what clients can still write
    :param used: what they have written
    :param total: the quota or, without one, the raw size of the cluster: as
        Cinder's RBD driver reports it
    """

    free: int
    used: int
    total: int


def read(client: Any, pool: str) -> Capacity | None:
    """Ask the monitors.

    :param client: a connected ``rados.Rados``
    :returns: None when they refuse to say
    """
    usage = _command(client, {'prefix': 'df'})
    quota = _command(client, {'prefix': 'osd pool get-quota', 'pool': pool})
    if usage is None or quota is None:
        return None
    return of(pool, usage, quota['quota_max_bytes'])


def of(pool: str, usage: Mapping[str, Any], quota: int) -> Capacity:
    """What the monitors' answers mean.

    As ``_get_pool_stats`` of Cinder's RBD driver.

    :param usage: ``ceph df --format json``
    :param quota: bytes; 0 for none
    """
    (stats,) = (one['stats'] for one in usage['pools']
                if one['name'] == pool)
    used, free = stats.get('stored', stats['bytes_used']), stats['max_avail']
    if quota:
        return Capacity(max(min(quota - used, free), 0), used, quota)
    return Capacity(free, used, usage['stats']['total_bytes'])


def _command(client: Any, command: Mapping[str, str]) -> Any:
    with errors.translated(f'monitor command {command["prefix"]}'):
        code, answer, _ = client.mon_command(
            json.dumps({**command, 'format': 'json'}), b'')
    return None if code else json.loads(answer)
