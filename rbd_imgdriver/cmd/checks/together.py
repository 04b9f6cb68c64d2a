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
"""What backends of one cinder.conf get wrong together.

Pure: from what each of them is configured to do.
"""

from collections.abc import Hashable
from collections.abc import Iterable
from collections.abc import Iterator
import dataclasses

from rbd_imgdriver.cmd.checks import findings

Finding = findings.Finding


@dataclasses.dataclass(frozen=True)
class Peer:
    """One backend on RBD.

    :param name: of its section
    :param cluster: the cluster's fsid or, where that is not known, the path
        of its configuration: one cluster may have several files
    :param ours: whether it uses this driver; if not, Cinder's own
    :param limits: of its cache
    :param depth: its ``rbd_max_clone_depth``
    :param metrics: (address, port) that it opens, or None
    """

    name: str
    cluster: str
    pool: str
    ours: bool = True
    limits: Hashable = None
    depth: int = 0
    metrics: tuple[str, int] | None = None


def check(peers: Iterable[Peer]) -> Iterator[Finding]:
    """Where backends are in each other's way."""
    known = list(peers)
    by_pool: dict[tuple[str, str], list[Peer]] = {}
    for one in known:
        by_pool.setdefault((one.cluster, one.pool), []).append(one)
    for (_, pool), found in by_pool.items():
        yield from _of_pool(pool, found)
    yield from _metrics(known)


def _of_pool(pool: str, peers: list[Peer]) -> Iterator[Finding]:
    ours = [one for one in peers if one.ours]
    theirs = [one for one in peers if not one.ours]
    if ours and theirs:
        yield Finding('pool-shared-with-intree', _names(peers),
                      f'pool {pool}; the driver of {_names(theirs)} is '
                      "Cinder's own")
    if len({one.limits for one in ours}) > 1:
        yield Finding('cache-limits-differ', _names(ours),
                      f'they share pool {pool}')
    if len({one.depth for one in ours}) > 1:
        depths = ', '.join(f'{one.name} {one.depth}' for one in ours)
        yield Finding('depth-differs', _names(ours),
                      f'they share pool {pool}: {depths}')


def _metrics(peers: list[Peer]) -> Iterator[Finding]:
    by_port: dict[int, list[Peer]] = {}
    for one in peers:
        if one.metrics is not None:
            by_port.setdefault(one.metrics[1], []).append(one)
    for port, found in by_port.items():
        if len(found) > 1:
            yield Finding('metrics-port-twice', _names(found), f'port {port}')


def _names(peers: list[Peer]) -> str:
    return ', '.join(sorted(one.name for one in peers))
