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

"""Keystone: users, and where the services are."""

from __future__ import annotations

import pathlib

from sandbox import background
from sandbox import catalog
from sandbox import parts
from sandbox import steps
from sandbox import webservice

NAME = 'keystone'


class Keystone(parts.Part):
    """The identity service with its catalog."""

    def steps(self) -> list[steps.Step]:
        return [
            steps.Step('keystone-db', self.make, after=('venv', 'mariadb')),
            steps.Step(NAME, self.start, after=('keystone-db', 'memcached')),
            steps.Step('catalog', self.fill, after=(NAME,))]

    def daemons(self) -> list[background.Daemon]:
        return [webservice.daemon(
            self.sandbox, NAME, 'keystone', 'keystone.wsgi.api',
            processes=2, threads=1, path='/v3',
            configuration=[self._conf],
            OS_KEYSTONE_CONFIG_DIR=self._conf.parent)]

    def configure(self) -> None:
        self.sandbox.render('keystone.conf', 'keystone/keystone.conf',
                            database=self.sandbox.database_url(NAME))

    def make(self) -> None:
        """Make the database, the keys and the administrator."""
        done = self.sandbox.once(NAME)
        if done.exists():
            return
        self.configure()
        self._manage('db_sync')
        who = ('--keystone-user', 'root', '--keystone-group', 'root')
        self._manage('fernet_setup', *who)
        self._manage('credential_setup', *who)
        url = self.sandbox.url('keystone', '/v3')
        self._manage(
            'bootstrap', '--bootstrap-region-id', catalog.REGION,
            '--bootstrap-password', self.sandbox.layout.password,
            *(word for kind in ('admin', 'internal', 'public')
              for word in (f'--bootstrap-{kind}-url', url)))
        done.touch()

    def fill(self) -> None:
        """Make the services' users, and enter where the services are."""
        catalog.fill(self.sandbox)

    @property
    def _conf(self) -> pathlib.Path:
        return self.sandbox.layout.etc / 'keystone' / 'keystone.conf'

    def _manage(self, *words: str) -> None:
        self.sandbox.run('keystone-db', [
            self.sandbox.layout.venv / 'bin' / 'keystone-manage',
            '--config-file', str(self._conf), *words],
            attempt=f'keystone-manage {words[0]}')
