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

"""Placement: which host has room for a server."""

from __future__ import annotations

import pathlib

from sandbox import background
from sandbox import parts
from sandbox import steps
from sandbox import webservice

NAME = 'placement'


class Placement(parts.Part):
    """The placement service."""

    def steps(self) -> list[steps.Step]:
        return [
            steps.Step('placement-db', self.make,
                       after=('nova-venv', 'mariadb')),
            steps.Step(NAME, self.start, after=('placement-db', 'catalog'))]

    def daemons(self) -> list[background.Daemon]:
        return [webservice.daemon(
            self.sandbox, NAME, NAME, 'placement.wsgi.api',
            processes=1, threads=2, configuration=[self._conf],
            OS_PLACEMENT_CONFIG_DIR=self._conf.parent)]

    def configure(self) -> None:
        self.sandbox.render(
            'placement.conf', 'placement/placement.conf',
            database=self.sandbox.database_url(NAME),
            authtoken=webservice.authtoken(self.sandbox, NAME))

    def make(self) -> None:
        """Make the database."""
        done = self.sandbox.once(NAME)
        if done.exists():
            return
        self.configure()
        self.sandbox.run('placement-db', [
            self.sandbox.layout.venv / 'bin' / 'placement-manage',
            '--config-file', self._conf, 'db', 'sync'],
            attempt='placement-manage db sync')
        done.touch()

    @property
    def _conf(self) -> pathlib.Path:
        return self.sandbox.layout.etc / NAME / 'placement.conf'
