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

"""RabbitMQ: through which Cinder's services speak with each other."""

from __future__ import annotations

import pathlib

from sandbox import background
from sandbox import parts
from sandbox import polling
from sandbox import steps
from sandbox import templates

# Debian's /usr/sbin/rabbitmq-server insists on a user "rabbitmq".
SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'

CONF = 'rabbitmq.conf'
ADVANCED = 'advanced.config'

# Idle schedulers that spin would take the processor from the others.
ERLANG = '+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none'


class RabbitMQ(parts.Part):
    """A RabbitMQ node, and a port mapper of its own."""

    def steps(self) -> list[steps.Step]:
        return [steps.Step('rabbitmq', self.start, after=('packages',))]

    def daemons(self) -> list[background.Daemon]:
        ports = self.sandbox.ports
        return [
            # RabbitMQ would start one itself, which would then outlive it.
            self.sandbox.daemon(
                'epmd', ['epmd', '-address', '127.0.0.1', '-port',
                         str(ports['epmd'])],
                lambda daemon: polling.tcp_answers(ports['epmd'])),
            self.sandbox.daemon(
                'rabbitmq', [SERVER],
                lambda daemon: polling.tcp_answers(ports['rabbitmq']),
                env=self._environ(), stop_timeout=30, ready_timeout=90)]

    def configure(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        templates.write(self._data / 'enabled_plugins', '[].\n')
        for name in (CONF, ADVANCED):
            self.sandbox.render(f'rabbitmq-{name}', f'rabbitmq/{name}')

    @property
    def _data(self) -> pathlib.Path:
        return self.sandbox.layout.data / 'rabbitmq'

    def _environ(self) -> dict[str, str]:
        etc = self.sandbox.layout.etc / 'rabbitmq'
        data = self._data
        return self.sandbox.environ(
            HOME=data,
            RABBITMQ_NODENAME='sandbox@localhost',
            RABBITMQ_BASE=data,
            RABBITMQ_MNESIA_BASE=data / 'mnesia',
            RABBITMQ_LOG_BASE=self.sandbox.layout.logs,
            RABBITMQ_LOGS='-',
            RABBITMQ_CONFIG_FILE=etc / CONF,
            RABBITMQ_ADVANCED_CONFIG_FILE=etc / ADVANCED,
            RABBITMQ_CONF_ENV_FILE='/nonexistent',
            RABBITMQ_ENABLED_PLUGINS_FILE=data / 'enabled_plugins',
            RABBITMQ_DIST_PORT=self.sandbox.ports['rabbitmq_dist'],
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=ERLANG,
            ERL_EPMD_PORT=self.sandbox.ports['epmd'],
            ERL_EPMD_ADDRESS='127.0.0.1')
