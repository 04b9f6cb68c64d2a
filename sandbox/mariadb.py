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

"""MariaDB: the databases of Keystone, Glance and Cinder."""

from __future__ import annotations

import shutil

from sandbox import context
from sandbox import polling
from sandbox import process
from sandbox import steps

NAME = 'mariadb'


class MariaDB:
    """One MariaDB server; it makes the databases itself when it starts."""

    def __init__(self, sandbox: context.Context) -> None:
        self._sandbox = sandbox

    def steps(self) -> list[steps.Step]:
        """What brings it up."""
        return [steps.Step(NAME, self.start, after=('packages',))]

    def daemons(self) -> list[process.Daemon]:
        """The server."""
        configuration = self._configure()
        return [self._sandbox.daemon(
            NAME, ['mariadbd', f'--defaults-file={configuration[0]}'],
            # It accepts connections early, but greets when it is ready.
            lambda daemon: polling.tcp_greets(self._sandbox.ports['mariadb']),
            configuration=configuration)]

    def start(self) -> None:
        """Make the data directory if needed and start the server."""
        daemon, = self.daemons()
        self._make()
        daemon.ensure()

    def _configure(self) -> list:
        init_file = self._sandbox.render('mariadb-init.sql',
                                         'mariadb/init.sql')
        return [self._sandbox.render('mariadb.cnf', 'mariadb/mariadb.cnf',
                                     init_file=init_file), init_file]

    def _make(self) -> None:
        data = self._sandbox.layout.data / 'mariadb'
        done = self._sandbox.once('mariadb')
        if done.exists():
            return
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        self._sandbox.run(NAME, [
            'mariadb-install-db', '--no-defaults', '--user=root',
            f'--datadir={data}', '--skip-test-db', '--skip-name-resolve',
            '--auth-root-authentication-method=socket'])
        done.touch()
