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
"""What Ceph says of its own health, and what that means for creates.

Pure: from the answer to ``health`` to findings.
"""

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from rbd_imgdriver.cmd.checks import findings

Finding = findings.Finding

MANAGER_DOWN = 'MGR_DOWN'

# Ceph's codes (doc/rados/operations/health-checks.rst) that mean something
# for volumes; the others are only named.  Of POOL_FULL it is not said which
# pool: ours are looked at by themselves.
MEANS = {
    MANAGER_DOWN: 'manager-down',
    'MON_DOWN': 'monitor-down',
    'OSD_FULL': 'cluster-full',
    'OSD_NEARFULL': 'cluster-nearly-full',
    'OSD_BACKFILLFULL': 'cluster-nearly-full',
    'PG_AVAILABILITY': 'data-unavailable',
    'OSD_DOWN': 'osd-down',
    'OSD_HOST_DOWN': 'osd-down',
    'OSD_RACK_DOWN': 'osd-down',
    'OSD_ROOT_DOWN': 'osd-down',
    'SLOW_OPS': 'slow-operations',
}


def check(subject: str, health: Mapping[str, Any]) -> Iterator[Finding]:
    """What is wrong with a cluster.

    :param subject: the backend's pool
    :param health: the answer to ``health``
    """
    found: dict[str, list[str]] = {}
    for code, one in health.get('checks', {}).items():
        if not one.get('muted'):
            said = f'{code}: {one["summary"]["message"]}'
            found.setdefault(MEANS.get(code, 'health'), []).append(said)
    for code, all_said in found.items():
        yield Finding(code, subject, '; '.join(all_said))
    if not found:
        yield Finding('healthy', subject, str(health.get('status')))


def manager_is_up(health: Mapping[str, Any]) -> bool:
    """Whether commands for the manager are answered."""
    return MANAGER_DOWN not in health.get('checks', {})
