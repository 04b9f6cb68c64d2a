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

"""Glance: images, in Ceph unless one says otherwise."""

from __future__ import annotations

import pathlib

from sandbox import context
from sandbox import process
from sandbox import steps
from sandbox import storage
from sandbox import templates
from sandbox import webservice

NAME = 'glance'
DIRECTORIES = ('cache', 'images', 'lock', 'mnt', 'staging', 'tasks')


class Glance:
    """The image service."""

    def __init__(self, sandbox: context.Context) -> None:
        self._sandbox = sandbox

    def steps(self) -> list[steps.Step]:
        """What brings it up."""
        return [
            steps.Step('glance-db', self.make, after=('venv', 'mariadb')),
            steps.Step(NAME, self.start,
                       after=('glance-db', 'memcached', 'ceph'))]

    def daemons(self) -> list[process.Daemon]:
        """The API."""
        configuration = self._configure()
        return [webservice.daemon(
            self._sandbox, 'glance-api', 'glance', 'glance.wsgi.api',
            processes=2, threads=4, configuration=configuration,
            OS_GLANCE_CONFIG_DIR=configuration[0].parent)]

    def make(self) -> None:
        """Make the database."""
        done = self._sandbox.once(NAME)
        if done.exists():
            return
        self._manage('db_sync')
        self._manage('db_load_metadefs',
                     f'{self._sandbox.layout.venv}/etc/glance/metadefs/')
        done.touch()

    def start(self) -> None:
        """Start the API."""
        for daemon in self.daemons():
            daemon.ensure()

    def _configure(self) -> list[pathlib.Path]:
        sandbox = self._sandbox
        for name in DIRECTORIES:
            (sandbox.layout.data / NAME / name).mkdir(
                parents=True, exist_ok=True)
        main = sandbox.render(
            'glance-api.conf', 'glance/glance-api.conf',
            stores=sandbox.settings.stores,
            url=sandbox.url(NAME), keystone=sandbox.url('keystone', '/v3'),
            database=sandbox.database_url(NAME),
            ceph_conf=storage.cluster(sandbox).conf('glance'),
            authtoken=webservice.authtoken(sandbox, NAME))
        self._add_drop_ins(main)
        return [main, sandbox.render('glance-image-import.conf',
                                     'glance/glance-image-import.conf')]

    def _add_drop_ins(self, main: pathlib.Path) -> None:
        # Under uWSGI Glance reads one file; the last value of an option
        # counts.
        directory = main.with_name(main.name + '.d')
        directory.mkdir(exist_ok=True)
        parts = [main, *sorted(directory.glob('*.conf'))]
        templates.write(main, '\n'.join(part.read_text() for part in parts))

    def _manage(self, *words: str) -> None:
        self._sandbox.run('glance-db', [
            self._sandbox.layout.venv / 'bin' / 'glance-manage',
            '--config-file', self._configure()[0], *words],
            attempt=f'glance-manage {words[0]}')
