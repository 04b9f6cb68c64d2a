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

"""Where everything is: the directories and files of one sandbox."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import pathlib
import secrets

from sandbox import errors

CHECKOUT = pathlib.Path(__file__).resolve().parent.parent
TEMPLATES = pathlib.Path(__file__).resolve().parent / 'templates'

# A socket's address has at most 107 bytes; its name takes some of them.
SOCKET_ROOT = 70
DEFAULT_TMP = pathlib.Path('/tmp')
MARKER = '.sandbox-state'


@dataclasses.dataclass(frozen=True)
class Layout:
    """The paths of the sandbox whose state is in ``root``."""

    root: pathlib.Path

    @classmethod
    def from_environ(cls) -> Layout:
        """The sandbox that ``SANDBOX_DIR`` names, else the checkout's."""
        given = os.environ.get('SANDBOX_DIR') or CHECKOUT / '.sandbox'
        return cls(pathlib.Path(given).resolve())

    def prepare(self) -> None:
        """Make the directories, unless something else lives there."""
        if not self.exists() and self.root.exists() and any(
                self.root.iterdir()):
            raise errors.SandboxError(
                'sandbox', f'{self.root} is neither empty nor a sandbox')
        for path in (self.root, self.etc, self.logs, self.run, self.data,
                     self.bin, self.home, self.tmp):
            path.mkdir(parents=True, exist_ok=True)
        (self.root / MARKER).touch()

    def exists(self) -> bool:
        """Whether there is a sandbox in this directory."""
        return (self.root / MARKER).exists()

    @property
    def etc(self) -> pathlib.Path:
        """Generated configuration and the drop-ins of the person."""
        return self.root / 'etc'

    @property
    def logs(self) -> pathlib.Path:
        """One file for each daemon and for each command that is run."""
        return self.root / 'logs'

    @property
    def run(self) -> pathlib.Path:
        """Records of running processes."""
        return self.root / 'run'

    @property
    def data(self) -> pathlib.Path:
        """What the services store."""
        return self.root / 'data'

    @property
    def bin(self) -> pathlib.Path:
        """Our own executables, first in the daemons' PATH."""
        return self.root / 'bin'

    @property
    def home(self) -> pathlib.Path:
        """HOME of every daemon."""
        return self.root / 'home'

    @property
    def tmp(self) -> pathlib.Path:
        """For temporary files; oslo.privsep puts Unix sockets there."""
        inside = self.root / 'tmp'
        return inside if len(str(inside)) < SOCKET_ROOT else DEFAULT_TMP

    @property
    def ceph(self) -> pathlib.Path:
        """The directory of the Ceph cluster."""
        return self.root / 'ceph'

    @property
    def venv(self) -> pathlib.Path:
        """The Python environment of the OpenStack services."""
        return self.root / 'venv'

    @property
    def ceph_name(self) -> str:
        """Name of the Ceph cluster; no other sandbox has it.

        os-brick looks for keys in /etc/ceph/<cluster>.client.<user>.keyring
        whatever the configuration says, so the name has to be unique.
        """
        return 'sandbox' + self.digest[:8]

    @property
    def digest(self) -> str:
        """A number made of the directory's name."""
        return hashlib.sha256(bytes(self.root)).hexdigest()

    def log(self, name: str) -> pathlib.Path:
        """The log of one daemon or command."""
        return self.logs / (name + '.log')

    @functools.cached_property
    def password(self) -> str:
        """The one password of this sandbox, made at first use."""
        path = self.root / 'password'
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            with open(descriptor, 'w') as file:
                file.write(secrets.token_hex(12))
        return path.read_text()
