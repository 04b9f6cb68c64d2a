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

import dataclasses
import pathlib

from sandbox import background
from sandbox import catalog
from sandbox import errors
from sandbox import libvirt
from sandbox import parts
from sandbox import polling
from sandbox import rest
from sandbox import settings
from sandbox import steps
from sandbox import storage
from sandbox import templates
from sandbox import volume_types
from sandbox import webservice

IN_TREE = 'cinder.volume.drivers.rbd.RBDDriver'
NULL = 'sandbox.null_driver.NullDriver'
MANAGER = 'rbd_imgdriver.manager.VolumeManager'
TOP = pathlib.Path(__file__).resolve().parent.parent
DIRECTORIES = ('backup', 'conversion', 'coordination', 'lock')
HOST = 'sandbox'


@dataclasses.dataclass(frozen=True)
class Backend:
    """A section of cinder.conf and a volume type of the same name.

    :param driver: its class; None: SANDBOX_DRIVER, with an image cache
    """

    name: str
    pool: str
    user: str
    driver: str | None = None


BACKENDS = (Backend('img1', 'volumes', 'cinder'),
            Backend('img2', 'volumes2', 'cinder'),
            Backend('intree', 'intree', 'cinder-intree', IN_TREE),
            Backend('null', 'volumes', 'cinder', NULL))


class Cinder(parts.Part):
    """The block-storage services."""

    def steps(self) -> list[steps.Step]:
        return [
            steps.Step('cinder-db', self.make, after=('venv', 'mariadb')),
            steps.Step('cinder', self.start, after=(
                'cinder-db', 'catalog', 'ceph', 'driver', 'rabbitmq')),
            steps.Step('volume-types', self.make_types, after=('cinder',)),
            steps.Step('backends', self.await_backends, after=('cinder',))]

    def daemons(self) -> list[background.Daemon]:
        api = webservice.daemon(
            self.sandbox, 'cinder-api', 'cinder', 'cinder.wsgi.api',
            processes=2, threads=2, arguments=self._options(),
            configuration=[self._conf, self._drop_ins], **self._environ())
        return [api, self._service('cinder-scheduler', {HOST}),
                self._service('cinder-backup', {HOST}),
                *map(self._volume_service, self._volume_hosts())]

    def make(self) -> None:
        """Make the database."""
        done = self.sandbox.once('cinder')
        if done.exists():
            return
        self.configure()
        self.sandbox.run('cinder-db', [
            self.sandbox.layout.venv / 'bin' / 'cinder-manage',
            *self._options(), 'db', 'sync'], attempt='cinder-manage db sync')
        done.touch()

    def start(self) -> None:
        self.configure()
        daemons = self.daemons()
        for daemon in daemons:
            daemon.launch()
        # The others are ready when the API knows them.
        daemons[0].await_ready()

    def await_backends(self) -> None:
        """Wait until everything can take work."""
        for daemon in self.daemons():
            daemon.await_ready()
        client = rest.Client(self.sandbox)

        def known() -> bool:
            pools = client.volume('GET', '/scheduler-stats/get_pools')
            return {backend.name for backend in self._backends} <= {
                pool['name'].rpartition('#')[2] for pool in pools['pools']}

        if not polling.wait_until(known, 60):
            raise self.daemons()[-1].failure(
                'the scheduler does not know all backends')

    def make_types(self) -> None:
        """Make a volume type for each backend."""
        volume_types.make(rest.Client(self.sandbox),
                          [backend.name for backend in self._backends])

    @property
    def _backends(self) -> list[Backend]:
        """Those that the settings enable, in the settings' order."""
        known = {backend.name: backend for backend in BACKENDS}
        try:
            return [known[name] for name in self.sandbox.settings.backends]
        except KeyError as error:
            raise errors.SandboxError(
                'cinder', f'SANDBOX_BACKENDS names {error}, which is none of '
                          + ', '.join(known)) from None

    # -- services ----------------------------------------------------------

    def _volume_hosts(self) -> list[str]:
        """The names of the volume services' hosts: sandbox, sandbox2, ..."""
        count = self.sandbox.settings.volume_hosts
        return [HOST] + [f'{HOST}{n}' for n in range(2, count + 1)]

    def _volume_service(self, host: str) -> background.Daemon:
        name = 'cinder-volume' + host.removeprefix(HOST)
        return self._service(
            name, {f'{host}@{backend.name}' for backend in self._backends},
            self._conf.with_name(f'{name}.conf'))

    def _service(self, name: str, hosts: set[str],
                 *more: pathlib.Path) -> background.Daemon:
        """A service that is ready when it reports from these hosts."""
        program = name.rstrip('0123456789')
        options = [option for path in more
                   for option in ('--config-file', str(path))]
        return self.sandbox.daemon(
            name, [self.sandbox.layout.venv / 'bin' / program,
                   *self._options(), *options],
            lambda daemon: self._reports(daemon, program, hosts),
            env=self.sandbox.environ(**self._environ()),
            ready_timeout=120,
            configuration=[self._conf, self._drop_ins, *more])

    def _reports(self, daemon: background.Daemon, program: str,
                 hosts: set[str]) -> bool:
        """Whether a service has said that it works since it was started."""
        try:
            services = rest.Client(self.sandbox).volume(
                'GET', f'/os-services?binary={program}')['services']
        except (OSError, rest.RestError):
            return False
        up = {service['host'] for service in services
              if service['state'] == 'up' and
              rest.seconds(service['updated_at']) > daemon.started_at()}
        return hosts <= up

    def _environ(self) -> dict[str, str]:
        environ = {}
        if self.sandbox.settings.native_threads:
            environ['OS_CINDER_DISABLE_EVENTLET_PATCHING'] = 'true'
        if any(backend.driver == NULL for backend in self._backends):
            environ['PYTHONPATH'] = str(TOP)
        return environ

    # -- configuration -----------------------------------------------------

    def configure(self) -> None:
        for name in DIRECTORIES:
            (self.sandbox.layout.data / 'cinder' / name).mkdir(
                parents=True, exist_ok=True)
        self._drop_ins.mkdir(parents=True, exist_ok=True)
        templates.write(self.sandbox.layout.bin / 'sudo',
                        templates.text('sudo'), mode=0o755)
        self._configure_services()
        for host in self._volume_hosts():
            self._configure_host(host)

    def _configure_services(self) -> None:
        sandbox = self.sandbox
        project, user = catalog.internal_tenant(sandbox)
        sandbox.render(
            'cinder.conf', 'cinder/cinder.conf',
            database=sandbox.database_url('cinder'),
            host=HOST, default_type=self._backends[0].name,
            enabled_backends=','.join(each.name for each in self._backends),
            internal_project=project, internal_user=user,
            glance=sandbox.url('glance'),
            backup_ceph_conf=self._ceph_conf('cinder-backup'),
            notifications=sandbox.settings.notifications,
            fixed_key=sandbox.fixed_key,
            auth=webservice.auth(sandbox, 'cinder'),
            authtoken=webservice.authtoken(sandbox, 'cinder'),
            backends='\n'.join(map(self._section, self._backends)))

    def _configure_host(self, host: str) -> None:
        """What one host's volume service has for itself."""
        clustered = self.sandbox.settings.volume_hosts > 1
        name = 'cinder-volume' + host.removeprefix(HOST)
        self.sandbox.render(
            'cinder-volume.conf', f'cinder/{name}.conf', host=host,
            cluster=f'cluster = {HOST}' if clustered else '',
            manager=self._manager(host))

    def _manager(self, host: str) -> str:
        """The last host has our volume manager, the others have Cinder's."""
        ours = self.sandbox.settings.driver == settings.OUR_DRIVER
        if not ours or host != self._volume_hosts()[-1]:
            return ''
        return f'volume_manager = {MANAGER}'

    @property
    def _conf(self) -> pathlib.Path:
        return self.sandbox.layout.etc / 'cinder' / 'cinder.conf'

    @property
    def _drop_ins(self) -> pathlib.Path:
        return self._conf.with_name('cinder.conf.d')

    def _options(self) -> list[str]:
        return ['--config-file', str(self._conf),
                '--config-dir', str(self._drop_ins)]

    def _section(self, backend: Backend) -> str:
        return templates.text(
            'cinder-backend.conf', name=backend.name, pool=backend.pool,
            user=backend.user,
            driver=backend.driver or self.sandbox.settings.driver,
            cache=str(backend.driver is None).lower(),
            cluster=self.sandbox.layout.ceph_name,
            secret=libvirt.secret(self.sandbox, backend.user),
            ceph_conf=self._ceph_conf(backend.user))

    def _ceph_conf(self, user: str) -> str:
        return storage.cluster(self.sandbox).conf(user)

