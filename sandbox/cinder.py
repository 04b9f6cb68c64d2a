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

"""Cinder: three backends, one of them with Cinder's own RBD driver."""

from __future__ import annotations

import calendar
import dataclasses
import hashlib
import pathlib
import time

from sandbox import catalog
from sandbox import context
from sandbox import polling
from sandbox import process
from sandbox import rest
from sandbox import steps
from sandbox import storage
from sandbox import templates
from sandbox import volume_types
from sandbox import webservice

IN_TREE = 'cinder.volume.drivers.rbd.RBDDriver'
DIRECTORIES = ('backup', 'conversion', 'coordination', 'lock')
HOST = 'sandbox'


@dataclasses.dataclass(frozen=True)
class Backend:
    """A section of cinder.conf and a volume type of the same name."""

    name: str
    pool: str
    user: str
    ours: bool


BACKENDS = (Backend('img1', 'volumes', 'cinder', ours=True),
            Backend('img2', 'volumes2', 'cinder', ours=True),
            Backend('intree', 'intree', 'cinder-intree', ours=False))


class Cinder:
    """The block-storage services."""

    def __init__(self, sandbox: context.Context) -> None:
        self._sandbox = sandbox

    def steps(self) -> list[steps.Step]:
        """What brings them up."""
        return [
            steps.Step('cinder-db', self.make, after=('venv', 'mariadb')),
            steps.Step('cinder', self.start, after=(
                'cinder-db', 'catalog', 'ceph', 'driver', 'rabbitmq')),
            steps.Step('volume-types', self.make_types, after=('cinder',)),
            steps.Step('backends', self.await_backends, after=('cinder',))]

    def daemons(self) -> list[process.Daemon]:
        """The API, the scheduler, the volume and the backup service."""
        configuration = self._configure()
        return [
            webservice.daemon(
                self._sandbox, 'cinder-api', 'cinder', 'cinder.wsgi.api',
                processes=2, threads=2, arguments=self._options(),
                configuration=configuration, **self._environ()),
            self._service('scheduler', configuration),
            self._service('volume', configuration),
            self._service('backup', configuration)]

    def make(self) -> None:
        """Make the database."""
        done = self._sandbox.once('cinder')
        if done.exists():
            return
        self._configure()
        self._sandbox.run('cinder-db', [
            self._sandbox.layout.venv / 'bin' / 'cinder-manage',
            *self._options(), 'db', 'sync'], attempt='cinder-manage db sync')
        done.touch()

    def start(self) -> None:
        """Start the services; the API answers when this is done."""
        for daemon in self.daemons():
            daemon.launch()
        self.daemons()[0].await_ready()

    def await_backends(self) -> None:
        """Wait until everything can take work."""
        for daemon in self.daemons():
            daemon.await_ready()
        volume = self.daemons()[2]
        wanted = {f'{HOST}@{backend.name}' for backend in BACKENDS}
        client = rest.Client(self._sandbox)

        def known() -> bool:
            pools = client.volume('GET', '/scheduler-stats/get_pools')
            return wanted <= {pool['name'].partition('#')[0]
                              for pool in pools['pools']}

        if not polling.wait_until(known, 60):
            raise volume.failure('the scheduler does not know all backends')

    def make_types(self) -> None:
        """Make a volume type for each backend."""
        volume_types.make(rest.Client(self._sandbox),
                          [backend.name for backend in BACKENDS])

    # -- services ----------------------------------------------------------

    def _service(self, kind: str,
                 configuration: list[pathlib.Path]) -> process.Daemon:
        name = f'cinder-{kind}'
        hosts = {f'{HOST}@{backend.name}' for backend in BACKENDS}
        return self._sandbox.daemon(
            name, [self._sandbox.layout.venv / 'bin' / name,
                   *self._options()],
            lambda daemon: self._reports(
                daemon, hosts if kind == 'volume' else {HOST}),
            env=self._sandbox.environ(**self._environ()),
            ready_timeout=120, configuration=configuration)

    def _reports(self, daemon: process.Daemon, hosts: set[str]) -> bool:
        """Whether a service has said that it works since it was started."""
        try:
            services = rest.Client(self._sandbox).volume(
                'GET', f'/os-services?binary={daemon.name}')['services']
        except (OSError, rest.RestError):
            return False
        up = {service['host'] for service in services
              if service['state'] == 'up' and
              _seconds(service['updated_at']) > daemon.started_at()}
        return hosts <= up

    def _environ(self) -> dict[str, str]:
        if self._sandbox.settings.native_threads:
            return {'OS_CINDER_DISABLE_EVENTLET_PATCHING': 'true'}
        return {}

    # -- configuration -----------------------------------------------------

    @property
    def _conf(self) -> pathlib.Path:
        return self._sandbox.layout.etc / 'cinder' / 'cinder.conf'

    @property
    def _drop_ins(self) -> pathlib.Path:
        return self._conf.with_name('cinder.conf.d')

    def _options(self) -> list[str]:
        return ['--config-file', str(self._conf),
                '--config-dir', str(self._drop_ins)]

    def _configure(self) -> list[pathlib.Path]:
        sandbox = self._sandbox
        for name in DIRECTORIES:
            (sandbox.layout.data / 'cinder' / name).mkdir(
                parents=True, exist_ok=True)
        self._drop_ins.mkdir(parents=True, exist_ok=True)
        templates.write(sandbox.layout.bin / 'sudo',
                        templates.text('sudo'), mode=0o755)
        project, user = catalog.internal_tenant(sandbox)
        main = templates.text(
            'cinder.conf', data=sandbox.layout.data,
            venv=sandbox.layout.venv, port_cinder=sandbox.ports['cinder'],
            transport_url=sandbox.transport_url,
            database=sandbox.database_url('cinder'),
            enabled_backends=','.join(each.name for each in BACKENDS),
            default_type=BACKENDS[0].name,
            internal_project=project, internal_user=user,
            glance=sandbox.url('glance'),
            backup_ceph_conf=self._ceph_conf('cinder-backup'),
            notifications=sandbox.settings.notifications,
            fixed_key=hashlib.sha256(
                sandbox.layout.password.encode()).hexdigest(),
            auth=webservice.auth(sandbox, 'cinder'),
            authtoken=webservice.authtoken(sandbox, 'cinder'))
        sections = [self._section(backend) for backend in BACKENDS]
        templates.write(self._conf, main + ''.join(sections))
        return [self._conf, self._drop_ins]

    def _section(self, backend: Backend) -> str:
        ours = self._sandbox.settings.driver
        return templates.text(
            'cinder-backend.conf', name=backend.name, pool=backend.pool,
            user=backend.user, driver=ours if backend.ours else IN_TREE,
            cache=str(backend.ours).lower(),
            cluster=self._sandbox.layout.ceph_name,
            ceph_conf=self._ceph_conf(backend.user))

    def _ceph_conf(self, user: str) -> str:
        return storage.cluster(self._sandbox).conf(user)


def _seconds(stamp: str | None) -> float:
    """A time as Cinder's API tells it, in seconds since 1970."""
    if not stamp:
        return 0
    return calendar.timegm(time.strptime(stamp[:19], '%Y-%m-%dT%H:%M:%S'))
