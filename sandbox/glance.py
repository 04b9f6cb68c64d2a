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

from sandbox import background
from sandbox import parts
from sandbox import steps
from sandbox import storage
from sandbox import webservice

NAME = 'glance'
DIRECTORIES = ('cache', 'images', 'lock', 'mnt', 'staging', 'tasks')


class Glance(parts.Part):
    """The image service."""

    def steps(self) -> list[steps.Step]:
        return [
            steps.Step('glance-db', self.make, after=('venv', 'mariadb')),
            steps.Step(NAME, self.start,
                       after=('glance-db', 'memcached', 'ceph'))]

    def daemons(self) -> list[background.Daemon]:
        return [webservice.daemon(
            self.sandbox, 'glance-api', 'glance', 'glance.wsgi.api',
            processes=2, threads=4, configuration=[self._conf.parent],
            OS_GLANCE_CONFIG_DIR=self._conf.parent)]

    def make(self) -> None:
        """Make the database."""
        done = self.sandbox.once(NAME)
        if done.exists():
            return
        self.configure()
        self._manage('db_sync')
        self._manage('db_load_metadefs',
                     f'{self.sandbox.layout.venv}/etc/glance/metadefs/')
        done.touch()

    def configure(self) -> None:
        sandbox = self.sandbox
        for name in DIRECTORIES:
            (sandbox.layout.data / NAME / name).mkdir(
                parents=True, exist_ok=True)
        sandbox.render(
            'glance-api.conf', 'glance/glance-api.conf',
            stores=sandbox.settings.stores,
            url=sandbox.url(NAME), keystone=sandbox.url('keystone', '/v3'),
            database=sandbox.database_url(NAME),
            ceph_conf=storage.cluster(sandbox).conf('glance'),
            authtoken=webservice.authtoken(sandbox, NAME),
            drop_ins=self._drop_ins())
        sandbox.render('glance-image-import.conf',
                       'glance/glance-image-import.conf')

    @property
    def _conf(self) -> pathlib.Path:
        return self.sandbox.layout.etc / NAME / 'glance-api.conf'

    def _drop_ins(self) -> str:
        # Under uWSGI Glance reads one file; an option's last value counts.
        directory = self._conf.with_name('glance-api.conf.d')
        directory.mkdir(parents=True, exist_ok=True)
        return ''.join(path.read_text()
                       for path in sorted(directory.glob('*.conf')))

    def _manage(self, *words: str) -> None:
        self.sandbox.run('glance-db', [
            self.sandbox.layout.venv / 'bin' / 'glance-manage',
            '--config-file', self._conf, *words],
            attempt=f'glance-manage {words[0]}')
