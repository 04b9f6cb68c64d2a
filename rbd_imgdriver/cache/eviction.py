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
"""Which entries have to go before a new one may come: a pure decision.

Limits mean what they mean in Cinder's own cache
(cinder/image/cache.py, ``ensure_space``): GiB and entries, 0 for no limit.
"""

from collections.abc import Collection
import dataclasses

from rbd_imgdriver.cache import entry
from rbd_imgdriver import model


@dataclasses.dataclass(frozen=True)
class Limits:
    """How much the cache of one pool may hold.

    :param size_gb: GiB of golden images; 0 for no limit
    :param count: golden images; 0 for no limit
    """

    size_gb: int = 0
    count: int = 0


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to do about a new entry.

    :param fits: whether it may come at all
    :param evict: what has to go first, least recently used first
    """

    fits: bool
    evict: tuple[entry.Entry, ...] = ()


def plan(entries: Collection[entry.Entry], incoming: int, limits: Limits,
         in_use: Collection[str] = ()) -> Plan:
    """Make room for ``incoming`` bytes, or say that there can be none.

    :param in_use: names of entries that are being cloned now
    """
    candidates = sorted(
        (e for e in entries
         if not (e.pinned or e.held) and e.name not in in_use),
        key=lambda e: (e.last_used, e.name))
    size = incoming + sum(e.size for e in entries)
    count = 1 + len(entries)
    evict: list[entry.Entry] = []
    while not _within(size, count, limits):
        if not candidates:
            return Plan(fits=False)
        evict.append(candidates.pop(0))
        size -= evict[-1].size
        count -= 1
    return Plan(True, tuple(evict))


def _within(size: int, count: int, limits: Limits) -> bool:
    return ((not limits.size_gb or size <= limits.size_gb * model.GIB)
            and (not limits.count or count <= limits.count))
