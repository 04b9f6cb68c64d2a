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

"""Nova: servers, emulated, with volumes and without networks."""

from __future__ import annotations

import pathlib
import shutil

from sandbox import background
from sandbox import cinder
from sandbox import libvirt
from sandbox import parts
from sandbox import polling
from sandbox import rest
from sandbox import steps
from sandbox import venv
from sandbox import webservice

NAME = 'nova'
FLAVOR = 'sandbox'
REQUIREMENTS = venv.HERE / 'requirements-nova.txt'
STUB = venv.HERE / 'network_stub.py'


class Nova(parts.Part):
    """The compute services and the stub of a network service."""

    def steps(self) -> list[steps.Step]:
        return [
            steps.Step('nova-venv', self.install,
                       after=('venv', 'nova-packages')),
            steps.Step('nova-db', self.make, after=('nova-venv', 'mariadb')),
            steps.Step(NAME, self.start, after=(
                'nova-db', 'catalog', 'libvirt-keys', 'rabbitmq',
                'placement')),
            steps.Step('flavor', self.make_flavor, after=(NAME,)),
            steps.Step('compute-host', self.await_host, after=(NAME,))]

    def daemons(self) -> list[background.Daemon]:
        api = webservice.daemon(
            self.sandbox, 'nova-api', NAME, 'nova.wsgi.osapi_compute',
            processes=2, threads=2, configuration=[self._conf],
            OS_NOVA_CONFIG_DIR=self._conf.parent)
        port = self.sandbox.ports['network']
        stub = self.sandbox.daemon(
            'network-stub', [venv.PYTHON, STUB, str(port)],
            lambda daemon: polling.tcp_answers(port))
        return [stub, api, *map(self._service, (
            'nova-conductor', 'nova-scheduler', 'nova-compute'))]

    def install(self) -> None:
        """Install Nova and Placement, and make libvirt's module visible."""
        venv.install_more(self.sandbox.layout, REQUIREMENTS)
        venv.link(self.sandbox.layout, *libvirt.MODULES)

    def make(self) -> None:
        """Make the databases and the one cell."""
        done = self.sandbox.once(NAME)
        if done.exists():
            return
        self.configure()
        self._manage('api_db', 'sync')
        self._manage('cell_v2', 'map_cell0', '--database_connection',
                     self.sandbox.database_url('nova_cell0'))
        self._manage('db', 'sync')
        self._manage('cell_v2', 'create_cell', '--name', 'cell1')
        done.touch()

    def make_flavor(self) -> None:
        """Make the one flavor: small, its disk is a volume."""
        client = rest.Client(self.sandbox)
        flavors = client.compute('GET', '/flavors')['flavors']
        if FLAVOR not in {flavor['name'] for flavor in flavors}:
            client.compute('POST', '/flavors', {'flavor': {
                'name': FLAVOR, 'id': FLAVOR, 'ram': 256, 'vcpus': 1,
                'disk': 0}})

    def await_host(self) -> None:
        """Wait until servers can be put somewhere."""
        for daemon in self.daemons():
            daemon.await_ready()
        client = rest.Client(self.sandbox)

        def ready() -> bool:
            return any(
                host['state'] == 'up' for host in client.compute(
                    'GET', '/os-hypervisors')['hypervisors'])

        if not polling.wait_until(ready, 120):
            raise self.daemons()[-1].failure('there is no hypervisor')

    def configure(self) -> None:
        sandbox = self.sandbox
        for name in 'instances', 'lock':
            (sandbox.layout.data / NAME / name).mkdir(
                parents=True, exist_ok=True)
        sandbox.render(
            'nova.conf', 'nova/nova.conf', host=cinder.HOST,
            database=sandbox.database_url(NAME),
            api_database=sandbox.database_url('nova_api'),
            keystone=sandbox.url('keystone', '/v3'),
            glance=sandbox.url('glance'),
            libvirt=libvirt.uri(sandbox),
            fixed_key=sandbox.fixed_key,
            auth=webservice.auth(sandbox, NAME),
            authtoken=webservice.authtoken(sandbox, NAME))
        paste = sandbox.layout.venv / 'etc' / 'nova' / 'api-paste.ini'
        if paste.exists():
            shutil.copy(paste, self._conf.parent)

    def start(self) -> None:
        self.configure()
        daemons = self.daemons()
        for daemon in daemons:
            daemon.launch()
        # The others are ready when the API knows them.
        for daemon in daemons[:2]:
            daemon.await_ready()

    def _service(self, name: str) -> background.Daemon:
        return self.sandbox.daemon(
            name, [self.sandbox.layout.venv / 'bin' / name,
                   '--config-file', self._conf],
            lambda daemon: self._reports(daemon, name),
            ready_timeout=180, configuration=[self._conf])

    def _reports(self, daemon: background.Daemon, name: str) -> bool:
        """Whether a service has said that it works since it was started."""
        try:
            services = rest.Client(self.sandbox).compute(
                'GET', f'/os-services?binary={name}')['services']
        except (OSError, rest.RestError):
            return False
        return any(
            service['state'] == 'up' and
            rest.seconds(service['updated_at']) > daemon.started_at()
            for service in services)

    @property
    def _conf(self) -> pathlib.Path:
        return self.sandbox.layout.etc / NAME / 'nova.conf'

    def _manage(self, *words: str) -> None:
        self.sandbox.run('nova-db', [
            self.sandbox.layout.venv / 'bin' / 'nova-manage',
            '--config-file', self._conf, *words],
            attempt='nova-manage ' + ' '.join(words[:2]))
