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

from sandbox import context
from sandbox import polling
from sandbox import process
from sandbox import steps

# Debian's /usr/sbin/rabbitmq-server insists on a user "rabbitmq".
SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server'

# Idle schedulers that spin would take the processor from the others.
ERLANG = '+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none'


class RabbitMQ:
    """A RabbitMQ node, and a port mapper of its own."""

    def __init__(self, sandbox: context.Context) -> None:
        self._sandbox = sandbox

    def steps(self) -> list[steps.Step]:
        """What brings it up."""
        return [steps.Step('rabbitmq', self.start, after=('packages',))]

    def daemons(self) -> list[process.Daemon]:
        """The port mapper, which RabbitMQ would else start, and RabbitMQ."""
        ports = self._sandbox.ports
        environ = self._environ()
        return [
            self._sandbox.daemon(
                'epmd', ['epmd', '-address', '127.0.0.1', '-port',
                         str(ports['epmd'])],
                lambda daemon: polling.tcp_answers(ports['epmd'])),
            self._sandbox.daemon(
                'rabbitmq', [SERVER],
                lambda daemon: polling.tcp_answers(ports['rabbitmq']),
                env=environ, stop_timeout=30, ready_timeout=90)]

    def start(self) -> None:
        """Start both."""
        for daemon in self.daemons():
            daemon.ensure()

    def _environ(self) -> dict[str, str]:
        here = self._sandbox.layout
        data = here.data / 'rabbitmq'
        data.mkdir(parents=True, exist_ok=True)
        plugins = data / 'enabled_plugins'
        plugins.write_text('[].\n')
        conf = self._sandbox.render('rabbitmq.conf', 'rabbitmq/rabbitmq.conf')
        advanced = self._sandbox.render('rabbitmq-advanced.config',
                                        'rabbitmq/advanced.config')
        return self._sandbox.environ(
            HOME=data,
            RABBITMQ_NODENAME='sandbox@localhost',
            RABBITMQ_BASE=data,
            RABBITMQ_MNESIA_BASE=data / 'mnesia',
            RABBITMQ_LOG_BASE=here.logs,
            RABBITMQ_LOGS='-',
            RABBITMQ_CONFIG_FILE=conf,
            RABBITMQ_ADVANCED_CONFIG_FILE=advanced,
            RABBITMQ_CONF_ENV_FILE='/nonexistent',
            RABBITMQ_ENABLED_PLUGINS_FILE=plugins,
            RABBITMQ_DIST_PORT=self._sandbox.ports['rabbitmq_dist'],
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=ERLANG,
            ERL_EPMD_PORT=self._sandbox.ports['epmd'],
            ERL_EPMD_ADDRESS='127.0.0.1')
