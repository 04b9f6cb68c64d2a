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

"""A Ceph cluster on one machine: a monitor, a manager, object stores.

It needs no containers and no block devices.  The class is of use on its own,
for tests and benchmarks::

    cluster = ceph.Cluster(directory, pools=['volumes'])
    cluster.start()
    cluster.create_user('cinder', {'mon': 'profile rbd',
                                   'osd': 'profile rbd pool=volumes'})
    rados.Rados(conffile=cluster.conf('cinder'), rados_id='cinder')
    cluster.purge()
"""

from __future__ import annotations

import collections
from collections.abc import Mapping
from collections.abc import Sequence
import pathlib
import shutil
from typing import Any

from sandbox import background
from sandbox import ceph_access
from sandbox import ceph_daemons
from sandbox import errors
from sandbox import polling
from sandbox import templates

# For those who have a connected client already.
command = ceph_access.command


class Cluster(ceph_access.Access):
    """A Ceph cluster with all its files in one directory.

    :param directory: where everything is; made if needed
    :param name: the cluster's name, for clients that care (os-brick)
    :param ports: the monitor's ports for the protocols v2 and v1; by
        default two free ones, which are remembered
    :param paxos_propose_interval: seconds for which the monitor gathers
        changes; a short time makes snapshots and the start quick.  None
        leaves Ceph's own default (1 s), as benchmarks should
    :param pools: pools for RBD that ``start()`` makes
    :param min_compat_client: "mimic" gives v2 clones, "luminous" v1 clones
    :param osds: how many object stores
    :param logs: directory of the logs, by default within the directory
    :param bound: whether its daemons are killed when the process that
        started them ends, however that happens; for tests, which throw the
        data away
    """

    def __init__(self, directory: pathlib.Path | str, *,
                 name: str = 'ceph',
                 ports: tuple[int, int] | None = None,
                 paxos_propose_interval: float | None = 0.05,
                 pools: Sequence[str] = (),
                 min_compat_client: str = 'mimic',
                 osds: int = 1,
                 logs: pathlib.Path | None = None,
                 bound: bool = False) -> None:
        super().__init__(directory, name, ports)
        self.pools = tuple(pools)
        self._paxos = paxos_propose_interval
        self._min_compat_client = min_compat_client
        self._place = ceph_daemons.Place(
            self, logs or self.directory / 'log', bound)
        self._monitor = ceph_daemons.Monitor(self._place)
        self._manager = ceph_daemons.Manager(self._place)
        self._osds = [ceph_daemons.ObjectStore(self._place, number)
                      for number in range(osds)]

    # -- life --------------------------------------------------------------

    def daemons(self) -> list[background.Daemon]:
        """The cluster's processes in the order in which they start."""
        return [self._monitor.daemon(), self._manager.daemon(),
                *(osd.daemon() for osd in self._osds)]

    def running(self) -> bool:
        """Whether all its processes run."""
        return all(daemon.running() for daemon in self.daemons())

    def start(self) -> None:
        """Start what does not run; make what does not exist."""
        self._place.prepare()
        ceph_daemons.write_conf(self, self._osds, self._paxos)
        self._monitor.make()
        self._monitor.daemon().ensure()
        with self.connection() as monitor:
            for part in (self._manager, *self._osds):
                part.make(monitor)
            workers = self.daemons()[1:]
            for daemon in workers:
                daemon.launch()
            if self._min_compat_client:
                command(monitor, 'osd set-require-min-compat-client',
                        version=self._min_compat_client)
            for daemon in workers:
                daemon.await_ready()
            for pool in self.pools:
                _make_pool(monitor, pool)
            self._await_health(monitor)

    def stop(self) -> None:
        """Stop all processes, the monitor last."""
        for daemon in reversed(self.daemons()):
            daemon.stop()

    def purge(self) -> None:
        """Stop everything and remove all files."""
        self.stop()
        if (self.directory / 'fsid').exists():
            shutil.rmtree(self.directory)

    def _await_health(self, monitor: Any) -> None:
        """Wait until all placement groups can be used and are counted."""
        def clean() -> bool:
            states = command(monitor, 'status')['pgmap']
            return states.get('num_pgs', 0) > 0 and all(
                state['state_name'] == 'active+clean'
                for state in states['pgs_by_state'])

        if self.pools and not polling.wait_until(clean, 60):
            raise self._osds[0].daemon().failure(
                'placement groups are not clean')
        for pool in self.pools:
            # After a restart the states are those of before it.  A list of
            # objects asks every placement group.
            with monitor.open_ioctx(pool) as ioctx:
                collections.deque(ioctx.list_objects(), maxlen=0)

    # -- pools and users ---------------------------------------------------

    def create_pool(self, name: str) -> None:
        """Make a pool for RBD, unless it is there."""
        with self.connection() as monitor:
            _make_pool(monitor, name)

    def create_erasure_pool(self, name: str) -> None:
        """Make a pool for data of RBD images, of three object stores.

        Two parts and a parity, which images may overwrite.
        """
        with self.connection() as monitor:
            command(monitor, 'osd erasure-code-profile set', name=name,
                    profile=['k=2', 'm=1', 'crush-failure-domain=osd'])
            command(monitor, 'osd pool create', pool=name,
                    pool_type='erasure', erasure_code_profile=name)
            command(monitor, 'osd pool set', pool=name,
                    var='allow_ec_overwrites', val='true')
            command(monitor, 'osd pool application enable', pool=name,
                    app='rbd')

    def create_user(self, name: str,
                    caps: Mapping[str, str]) -> pathlib.Path:
        """Make a user, or give it these capabilities; its keyring."""
        entity = f'client.{name}'
        flat = [word for pair in caps.items() for word in pair]
        with self.connection() as monitor:
            try:
                command(monitor, 'auth get-or-create', entity=entity,
                        caps=flat)
            except errors.SandboxError:
                # It exists with other capabilities.
                command(monitor, 'auth caps', entity=entity, caps=flat)
            key = command(monitor, 'auth get-key', entity=entity)['key']
        keyring = self.keyring(name)
        templates.write(keyring, f'[{entity}]\n\tkey = {key}\n')
        templates.render(
            'ceph-client.conf', pathlib.Path(self.conf(name)), user=name,
            fsid=self.fsid, mon_host=self.mon_host, keyring=keyring)
        return keyring


def _make_pool(monitor: Any, name: str) -> None:
    # Debian's package; not there yet when the sandbox is imported on a bare
    # machine.
    import rbd
    if not monitor.pool_exists(name):
        command(monitor, 'osd pool create', pool=name)
    with monitor.open_ioctx(name) as ioctx:
        # As "rbd pool init" does; forced, it may be repeated.
        rbd.RBD().pool_init(ioctx, True)
