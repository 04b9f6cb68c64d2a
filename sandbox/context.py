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

"""What every part of the sandbox knows: paths, ports, settings."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import dataclasses
import functools
import hashlib
import os
import pathlib
from typing import Any

from sandbox import background
from sandbox import commands
from sandbox import layout as layouts
from sandbox import ports
from sandbox import settings as all_settings
from sandbox import templates

PATH = '/usr/sbin:/usr/bin:/sbin:/bin'


@dataclasses.dataclass(frozen=True)
class Context:
    """One sandbox, as its parts see it."""

    layout: layouts.Layout
    settings: all_settings.Settings

    @classmethod
    def from_environ(cls) -> Context:
        """The sandbox that this process's environment describes."""
        return cls(layouts.Layout.from_environ(),
                   all_settings.Settings.from_environ())

    @functools.cached_property
    def ports(self) -> dict[str, int]:
        """The TCP ports by name."""
        return ports.remembered(self.layout.root / 'ports.json',
                                int(self.layout.digest, 16))

    def url(self, name: str, path: str = '') -> str:
        """The address of a web service."""
        return f'http://127.0.0.1:{self.ports[name]}{path}'

    def database_url(self, name: str) -> str:
        """SQLAlchemy's address of a database."""
        return (f'mysql+pymysql://openstack:{self.layout.password}'
                f'@127.0.0.1:{self.ports["mariadb"]}/{name}?charset=utf8mb4')

    @property
    def transport_url(self) -> str:
        """oslo.messaging's address of RabbitMQ."""
        return (f'rabbit://openstack:{self.layout.password}'
                f'@127.0.0.1:{self.ports["rabbitmq"]}/')

    @property
    def fixed_key(self) -> str:
        """The one key of encrypted volumes; Cinder and Nova share it."""
        return hashlib.sha256(self.layout.password.encode()).hexdigest()

    def environ(self, **extra: object) -> dict[str, str]:
        """A clean environment: nothing of the person's own leaks in."""
        here = self.layout
        return {'PATH': f'{here.bin}:{here.venv}/bin:{PATH}',
                'HOME': str(here.home), 'TMPDIR': str(here.tmp),
                'LANG': 'C.UTF-8',
                **{name: str(value) for name, value in extra.items()}}

    def daemon(self, name: str, command: Sequence[str | os.PathLike[str]],
               ready: Callable[[background.Daemon], bool],
               **options: Any) -> background.Daemon:
        """A background process with its files in the usual places."""
        here = self.layout
        options.setdefault('env', self.environ())
        return background.Daemon(
            name=name, command=command, ready=ready, log=here.log(name),
            record=here.run / f'{name}.json', **options)

    def run(self, part: str,
            command: Sequence[str | os.PathLike[str]], *,
            attempt: str = '') -> None:
        """Run a command to its end, in the daemons' environment."""
        commands.run(part, command, log=self.layout.log(part),
                     env=self.environ(), attempt=attempt)

    def render(self, template: str, target: str, /,
               **values: object) -> pathlib.Path:
        """Write a configuration file; what all of them need is known."""
        path = self.layout.etc / target
        templates.render(template, path, **{
            **{f'port_{name}': port for name, port in self.ports.items()},
            'root': self.layout.root, 'data': self.layout.data,
            'etc': self.layout.etc, 'venv': self.layout.venv,
            'password': self.layout.password,
            'transport_url': self.transport_url, **values})
        return path

    def once(self, name: str) -> pathlib.Path:
        """The file that says that something has been done for good."""
        return self.layout.data / f'{name}.done'
