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

import pathlib
import shutil

from sandbox import background
from sandbox import parts
from sandbox import polling
from sandbox import steps

NAME = 'mariadb'


class MariaDB(parts.Part):
    """One MariaDB server; it makes the databases itself when it starts."""

    def steps(self) -> list[steps.Step]:
        return [steps.Step(NAME, self.start, after=('packages',))]

    def daemons(self) -> list[background.Daemon]:
        return [self.sandbox.daemon(
            NAME, ['mariadbd', f'--defaults-file={self._conf}'],
            # It accepts connections early, but greets when it is ready.
            lambda daemon: polling.tcp_greets(self.sandbox.ports['mariadb']),
            configuration=[self._conf, self._init])]

    def configure(self) -> None:
        self.sandbox.render('mariadb-init.sql', 'mariadb/init.sql')
        self.sandbox.render('mariadb.cnf', 'mariadb/mariadb.cnf',
                            init_file=self._init)

    def start(self) -> None:
        self._make()
        super().start()

    @property
    def _conf(self) -> pathlib.Path:
        return self.sandbox.layout.etc / 'mariadb' / 'mariadb.cnf'

    @property
    def _init(self) -> pathlib.Path:
        return self._conf.with_name('init.sql')

    def _make(self) -> None:
        data = self.sandbox.layout.data / 'mariadb'
        done = self.sandbox.once('mariadb')
        if done.exists():
            return
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        self.sandbox.run(NAME, [
            'mariadb-install-db', '--no-defaults', '--user=root',
            f'--datadir={data}', '--skip-test-db', '--skip-name-resolve',
            '--auth-root-authentication-method=socket'])
        done.touch()
