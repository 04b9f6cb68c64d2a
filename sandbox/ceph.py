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

It needs no containers and no block devices; the object stores are BlueStore
on sparse files.  The class is of use on its own, for tests and benchmarks::

    cluster = ceph.Cluster(directory, pools=['volumes'])
    cluster.start()
    cluster.create_user('cinder', {'mon': 'profile rbd',
                                   'osd': 'profile rbd pool=volumes'})
    rados.Rados(conffile=cluster.conf('cinder'), rados_id='cinder')
    cluster.purge()
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import contextlib
import json
import pathlib
import shutil
import sysconfig
from typing import Any
import uuid

from sandbox import background
from sandbox import commands
from sandbox import errors
from sandbox import polling
from sandbox import ports as all_ports
from sandbox import templates

ENVIRON = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LANG': 'C.UTF-8',
           'HOME': '/'}

# Longer paths do not fit into the address of a Unix socket.
SOCKET_PATH = 90

OSD_SIZE = 60 * 2**30
ADMIN = {'mon': 'allow *', 'osd': 'allow *', 'mgr': 'allow *'}

# The manager complains if it cannot load those that are "always on".
UNUSED_MODULES = (
    'cephadm', 'dashboard', 'diskprediction_local', 'influx', 'insights',
    'iostat', 'k8sevents', 'localpool', 'mds_autoscaler', 'mirroring', 'nfs',
    'osd_perf_query', 'osd_support', 'prometheus', 'restful', 'rook',
    'selftest', 'snap_schedule', 'stats', 'telegraf', 'test_orchestrator',
    'zabbix')

# Seconds: an idle machine needs five, one with many other tests two minutes.
READY_TIMEOUT = 240


class Cluster:
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
        self.directory = pathlib.Path(directory).resolve()
        self.name = name
        self.pools = tuple(pools)
        self._ports = ports
        self._paxos = paxos_propose_interval
        self._min_compat_client = min_compat_client
        self._osds = osds
        self._logs = logs or self.directory / 'log'
        self._prefix = ('setpriv', '--pdeathsig', 'KILL') if bound else ()

    # -- what it is --------------------------------------------------------

    @property
    def fsid(self) -> str:
        """The cluster's id, chosen when it is first started."""
        path = self.directory / 'fsid'
        if not path.exists():
            templates.write(path, str(uuid.uuid4()))
        return path.read_text()

    def conf(self, user: str = 'admin') -> str:
        """Path of a configuration file with which a user can connect."""
        if user == 'admin':
            return str(self.directory / 'ceph.conf')
        return str(self.directory / f'{user}.conf')

    def keyring(self, user: str = 'admin') -> pathlib.Path:
        """Path of the file with a user's key."""
        return self.directory / f'{self.name}.client.{user}.keyring'

    def daemons(self) -> list[background.Daemon]:
        """The cluster's processes in the order in which they start."""
        return [self._monitor(), self._manager(),
                *(self._osd(number) for number in range(self._osds))]

    def running(self) -> bool:
        """Whether all its processes run."""
        return all(daemon.running() for daemon in self.daemons())

    # -- life --------------------------------------------------------------

    def start(self) -> None:
        """Start what does not run; make what does not exist."""
        for path in (self.directory, self._logs):
            path.mkdir(parents=True, exist_ok=True)
        self._write_conf()
        self._make_monitor()
        self._monitor().ensure()
        with self.connection() as monitor:
            self._make_manager(monitor)
            for number in range(self._osds):
                self._make_osd(monitor, number)
            workers = self.daemons()[1:]
            for daemon in workers:
                daemon.launch()
            if self._min_compat_client:
                command(monitor, 'osd set-require-min-compat-client',
                        version=self._min_compat_client)
            for daemon in workers:
                daemon.await_ready()
            for pool in self.pools:
                self._make_pool(monitor, pool)
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

    # -- use ---------------------------------------------------------------

    @contextlib.contextmanager
    def connection(self, user: str = 'admin',
                   **settings: str) -> Iterator[Any]:
        """A connected ``rados.Rados``.

        :param settings: more of Ceph's for this client
        """
        # Debian's package; not there yet when the sandbox is imported on a
        # bare machine.
        import rados
        client = rados.Rados(
            conffile=self.conf(user), rados_id=user, clustername=self.name,
            conf={'client_mount_timeout': '30', 'rados_mon_op_timeout': '60',
                  'log_to_stderr': 'false', 'err_to_stderr': 'false',
                  **settings})
        client.connect()
        try:
            yield client
        finally:
            client.shutdown()

    def command(self, prefix: str, **arguments: object) -> Any:
        """What the monitor answers to a command, as JSON gives it."""
        with self.connection() as monitor:
            return command(monitor, prefix, **arguments)

    def create_pool(self, name: str) -> None:
        """Make a pool for RBD, unless it is there."""
        with self.connection() as monitor:
            self._make_pool(monitor, name)

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
            fsid=self.fsid, mon_host=self._mon_host(), keyring=keyring)
        return keyring

    # -- parts -------------------------------------------------------------

    def _mon_ports(self) -> tuple[int, int]:
        if self._ports is None:
            found = all_ports.remembered(self.directory / 'ports.json',
                                         uuid.uuid4().int)
            self._ports = found['mon'], found['mon_v1']
        return self._ports

    def _mon_host(self) -> str:
        # Both protocols: to one that has only v1, every client would first
        # try v2 in vain.
        v2, v1 = self._mon_ports()
        return f'[v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]'

    def _write_conf(self) -> None:
        socket = self.directory / '$name.asok'
        paxos = '' if self._paxos is None else (
            f'paxos_propose_interval = {self._paxos}\n'
            f'paxos_min_wait = {self._paxos / 5}')
        content = templates.text(
            'ceph.conf', fsid=self.fsid, mon_host=self._mon_host(),
            directory=self.directory, osd_size=OSD_SIZE, paxos=paxos,
            admin_socket='' if len(str(socket)) > SOCKET_PATH else socket,
            mgr_disabled_modules=' '.join(UNUSED_MODULES),
            osd_class_dir='/usr/lib/{}/rados-classes'.format(
                sysconfig.get_config_var('MULTIARCH')))
        for number in range(self._osds):
            content += f'[osd.{number}]\nosd_data = {self._osd_data(number)}\n'
        content += f'[client.admin]\nkeyring = {self.keyring()}\n'
        templates.write(pathlib.Path(self.conf()), content)

    def _daemon(self, name: str, program: str, ident: str,
                ready: Any) -> background.Daemon:
        return background.Daemon(
            name=name, env=ENVIRON, ready=ready, cwd=self.directory,
            ready_timeout=READY_TIMEOUT,
            log=self._logs / f'{name}.log',
            record=self.directory / 'run' / f'{name}.json',
            command=[*self._prefix, program, '-f', '-c', self.conf(),
                     '--cluster', self.name, '-i', ident],
            configuration=[pathlib.Path(self.conf())])

    def _monitor(self) -> background.Daemon:
        return self._daemon('ceph-mon', 'ceph-mon', 'a',
                            lambda daemon: self._monitor_answers())

    def _manager(self) -> background.Daemon:
        return self._daemon('ceph-mgr', 'ceph-mgr', 'x',
                            lambda daemon: self._manager_is_active())

    def _osd(self, number: int) -> background.Daemon:
        return self._daemon(f'ceph-osd.{number}', 'ceph-osd', str(number),
                            lambda daemon: self._osd_is_up(number))

    def _osd_data(self, number: int) -> pathlib.Path:
        return self.directory / f'osd{number}'

    def _run(self, part: str, *words: str | pathlib.Path) -> None:
        commands.run(part, words, env=ENVIRON, cwd=self.directory,
                     log=self._logs / f'{part}.setup.log')

    def _make_monitor(self) -> None:
        data = self.directory / 'mon'
        if (data / 'made').exists():
            return
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir()
        mon_keyring = self.directory / 'mon.keyring'
        monmap = self.directory / 'monmap'
        caps = [word for service, allowed in ADMIN.items()
                for word in ('--cap', service, allowed)]
        self._run('ceph-mon', 'ceph-authtool', '--create-keyring',
                  self.keyring(), '--gen-key', '-n', 'client.admin', *caps)
        self._run('ceph-mon', 'ceph-authtool', '--create-keyring',
                  mon_keyring, '--gen-key', '-n', 'mon.',
                  '--cap', 'mon', 'allow *')
        self._run('ceph-mon', 'ceph-authtool', mon_keyring,
                  '--import-keyring', self.keyring())
        self._run('ceph-mon', 'monmaptool', '--create', '--clobber',
                  '--addv', 'a', self._mon_host(), '--fsid', self.fsid,
                  monmap)
        self._run('ceph-mon', 'ceph-mon', '-c', self.conf(), '--mkfs',
                  '-i', 'a', '--monmap', monmap, '--keyring', mon_keyring)
        (data / 'made').touch()

    def _make_manager(self, monitor: Any) -> None:
        keyring = self.directory / 'mgr' / 'keyring'
        if not keyring.exists():
            answer = command(monitor, 'auth get-or-create', entity='mgr.x',
                             caps=['mon', 'allow profile mgr', 'osd',
                                   'allow *', 'mds', 'allow *'])
            templates.write(keyring,
                            f'[mgr.x]\n\tkey = {answer[0]["key"]}\n')

    def _make_osd(self, monitor: Any, number: int) -> None:
        data = self._osd_data(number)
        if (data / 'made').exists():
            return
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir()
        if number in command(monitor, 'osd ls'):
            command(monitor, 'osd purge-new', id=number,
                    yes_i_really_mean_it=True)
        ident = str(uuid.uuid4())
        command(monitor, 'osd new', uuid=ident, id=number)
        key = command(monitor, 'auth get-or-create', entity=f'osd.{number}',
                      caps=['mon', 'allow profile osd', 'mgr',
                            'allow profile osd', 'osd', 'allow *'])
        templates.write(data / 'keyring',
                        f'[osd.{number}]\n\tkey = {key[0]["key"]}\n')
        self._run(f'ceph-osd.{number}', 'ceph-osd', '-c', self.conf(),
                  '-i', str(number), '--mkfs', '--osd-uuid', ident)
        (data / 'made').touch()

    def _make_pool(self, monitor: Any, name: str) -> None:
        import rbd
        if not monitor.pool_exists(name):
            command(monitor, 'osd pool create', pool=name)
        with monitor.open_ioctx(name) as ioctx:
            # As "rbd pool init" does; forced, it may be repeated.
            rbd.RBD().pool_init(ioctx, True)

    # -- readiness ---------------------------------------------------------

    def _monitor_answers(self) -> bool:
        if not polling.tcp_answers(self._mon_ports()[0]):
            return False
        return bool(self.command('mon stat'))

    def _manager_is_active(self) -> bool:
        return bool(self.command('mgr dump')['available'])

    def _osd_is_up(self, number: int) -> bool:
        # After a restart the map still says that it is up, as it was.
        return any(osd['osd'] == number and osd['up']
                   for osd in self.command('osd dump')['osds']) and (
            self._osd_answers(number))

    def _osd_answers(self, number: int) -> bool:
        request = json.dumps({'prefix': 'status', 'format': 'json'})
        with self.connection(rados_osd_op_timeout='2') as client:
            code, output, _ = client.osd_command(number, request, b'')
        return code == 0 and json.loads(output)['state'] == 'active'

    def _await_health(self, monitor: Any) -> None:
        """Wait until all placement groups can be used and are counted."""
        def clean() -> bool:
            states = command(monitor, 'status')['pgmap']
            return states.get('num_pgs', 0) > 0 and all(
                state['state_name'] == 'active+clean'
                for state in states['pgs_by_state'])

        if self.pools and not polling.wait_until(clean, 60):
            raise self._osd(0).failure('placement groups are not clean')
        for pool in self.pools:
            # After a restart the states are those of before it.  A list of
            # objects asks every placement group.
            with monitor.open_ioctx(pool) as ioctx:
                collections.deque(ioctx.list_objects(), maxlen=0)


def command(monitor: Any, prefix: str, **arguments: object) -> Any:
    """Have a connected client send a command to the monitor."""
    request = {'prefix': prefix, 'format': 'json', **arguments}
    code, output, message = monitor.mon_command(json.dumps(request), b'')
    if code:
        raise errors.SandboxError('ceph', f'"{prefix}": {message} ({code})')
    return json.loads(output) if output.strip() else None
