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

"""The daemons of a Ceph cluster: made once, described, ready or not.

None of them needs a container or a block device; an object store is BlueStore
on a sparse file.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import json
import pathlib
import shutil
import sysconfig
from typing import Any
import uuid

from sandbox import background
from sandbox import ceph_access
from sandbox import commands
from sandbox import polling
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


@dataclasses.dataclass(frozen=True)
class Place:
    """Where and how a cluster's daemons run.

    :param access: the way into their cluster
    :param logs: directory of their logs
    :param bound: whether they are killed when the process that started them
        ends, however that happens
    """

    access: ceph_access.Access
    logs: pathlib.Path
    bound: bool

    def prepare(self) -> None:
        """Make the directories."""
        for path in (self.access.directory, self.logs):
            path.mkdir(parents=True, exist_ok=True)

    def daemon(self, name: str, program: str, ident: str,
               ready: Any) -> background.Daemon:
        """How a program of Ceph runs as a daemon."""
        conf = self.access.conf()
        prefix = ('setpriv', '--pdeathsig', 'KILL') if self.bound else ()
        return background.Daemon(
            name=name, env=ENVIRON, ready=ready, cwd=self.access.directory,
            ready_timeout=READY_TIMEOUT,
            log=self.logs / f'{name}.log',
            record=self.access.directory / 'run' / f'{name}.json',
            command=[*prefix, program, '-f', '-c', conf,
                     '--cluster', self.access.name, '-i', ident],
            configuration=[pathlib.Path(conf)])

    def run(self, part: str, *words: str | pathlib.Path) -> None:
        """Run a command that makes a daemon's files."""
        commands.run(part, words, env=ENVIRON, cwd=self.access.directory,
                     log=self.logs / f'{part}.setup.log')


class Monitor:
    """The cluster's only monitor, ``mon.a``."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._access = place.access

    def daemon(self) -> background.Daemon:
        """Its process."""
        return self._place.daemon('ceph-mon', 'ceph-mon', 'a',
                                  lambda daemon: self._answers())

    def make(self) -> None:
        """Make its files and the administrator's key, unless they exist."""
        data = self._access.directory / 'mon'
        if (data / 'made').exists():
            return
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir()
        keyring = self._make_keys()
        monmap = self._access.directory / 'monmap'
        self._run('monmaptool', '--create', '--clobber',
                  '--addv', 'a', self._access.mon_host,
                  '--fsid', self._access.fsid, monmap)
        self._run('ceph-mon', '-c', self._access.conf(), '--mkfs',
                  '-i', 'a', '--monmap', monmap, '--keyring', keyring)
        (data / 'made').touch()

    def _make_keys(self) -> pathlib.Path:
        keyring = self._access.directory / 'mon.keyring'
        caps = [word for service, allowed in ADMIN.items()
                for word in ('--cap', service, allowed)]
        self._run('ceph-authtool', '--create-keyring',
                  self._access.keyring(), '--gen-key', '-n', 'client.admin',
                  *caps)
        self._run('ceph-authtool', '--create-keyring', keyring,
                  '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *')
        self._run('ceph-authtool', keyring,
                  '--import-keyring', self._access.keyring())
        return keyring

    def _run(self, *words: str | pathlib.Path) -> None:
        self._place.run('ceph-mon', *words)

    def _answers(self) -> bool:
        if not polling.tcp_answers(self._access.mon_ports[0]):
            return False
        return bool(self._access.command('mon stat'))


class Manager:
    """The cluster's only manager, ``mgr.x``."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._access = place.access

    def daemon(self) -> background.Daemon:
        """Its process."""
        return self._place.daemon('ceph-mgr', 'ceph-mgr', 'x',
                                  lambda daemon: self._is_active())

    def make(self, monitor: Any) -> None:
        """Make its key, unless it exists."""
        keyring = self._access.directory / 'mgr' / 'keyring'
        if not keyring.exists():
            _write_key(monitor, keyring, 'mgr.x',
                       ['mon', 'allow profile mgr', 'osd', 'allow *',
                        'mds', 'allow *'])

    def _is_active(self) -> bool:
        return bool(self._access.command('mgr dump')['available'])


class ObjectStore:
    """One of the cluster's object stores, ``osd.<number>``."""

    def __init__(self, place: Place, number: int) -> None:
        self._place = place
        self._access = place.access
        self._number = number
        self.data = self._access.directory / f'osd{number}'

    def daemon(self) -> background.Daemon:
        """Its process."""
        return self._place.daemon(
            f'ceph-osd.{self._number}', 'ceph-osd', str(self._number),
            lambda daemon: self._is_up())

    def make(self, monitor: Any) -> None:
        """Make its files and its key, unless they exist."""
        if (self.data / 'made').exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir()
        if self._number in ceph_access.command(monitor, 'osd ls'):
            ceph_access.command(monitor, 'osd purge-new', id=self._number,
                                yes_i_really_mean_it=True)
        ident = str(uuid.uuid4())
        ceph_access.command(monitor, 'osd new', uuid=ident, id=self._number)
        _write_key(monitor, self.data / 'keyring', f'osd.{self._number}',
                   ['mon', 'allow profile osd', 'mgr', 'allow profile osd',
                    'osd', 'allow *'])
        self._place.run(
            f'ceph-osd.{self._number}', 'ceph-osd', '-c', self._access.conf(),
            '-i', str(self._number), '--mkfs', '--osd-uuid', ident)
        (self.data / 'made').touch()

    def _is_up(self) -> bool:
        # After a restart the map still says that it is up, as it was.
        return any(osd['osd'] == self._number and osd['up']
                   for osd in self._access.command('osd dump')['osds']) and (
            self._answers())

    def _answers(self) -> bool:
        request = json.dumps({'prefix': 'status', 'format': 'json'})
        with self._access.connection(rados_osd_op_timeout='2') as client:
            code, output, _ = client.osd_command(self._number, request, b'')
        return code == 0 and json.loads(output)['state'] == 'active'


def write_conf(access: ceph_access.Access, osds: Sequence[ObjectStore],
               paxos_propose_interval: float | None) -> None:
    """Write the configuration file of the daemons and the administrator."""
    socket = access.directory / '$name.asok'
    paxos = '' if paxos_propose_interval is None else (
        f'paxos_propose_interval = {paxos_propose_interval}\n'
        f'paxos_min_wait = {paxos_propose_interval / 5}')
    content = templates.text(
        'ceph.conf', fsid=access.fsid, mon_host=access.mon_host,
        directory=access.directory, osd_size=OSD_SIZE, paxos=paxos,
        admin_socket='' if len(str(socket)) > SOCKET_PATH else socket,
        mgr_disabled_modules=' '.join(UNUSED_MODULES),
        osd_class_dir='/usr/lib/{}/rados-classes'.format(
            sysconfig.get_config_var('MULTIARCH')))
    for number, osd in enumerate(osds):
        content += f'[osd.{number}]\nosd_data = {osd.data}\n'
    content += f'[client.admin]\nkeyring = {access.keyring()}\n'
    templates.write(pathlib.Path(access.conf()), content)


def _write_key(monitor: Any, keyring: pathlib.Path, entity: str,
               caps: Sequence[str]) -> None:
    """Make a daemon known to the cluster, and keep its key in a file."""
    answer = ceph_access.command(monitor, 'auth get-or-create',
                                 entity=entity, caps=caps)
    templates.write(keyring, f'[{entity}]\n\tkey = {answer[0]["key"]}\n')
