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

"""The way into a Ceph cluster: its files, its addresses, a connection."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import json
import pathlib
from typing import Any
import uuid

from sandbox import errors
from sandbox import ports as all_ports
from sandbox import templates


class Access:
    """What clients and daemons need in order to find a cluster.

    :param directory: where all its files are
    :param name: the cluster's name, for clients that care (os-brick)
    :param ports: the monitor's ports for the protocols v2 and v1; by
        default two free ones, which are remembered
    """

    def __init__(self, directory: pathlib.Path | str, name: str,
                 ports: tuple[int, int] | None) -> None:
        self.directory = pathlib.Path(directory).resolve()
        self.name = name
        self._ports = ports

    @property
    def fsid(self) -> str:
        """The cluster's id, chosen when it is first started."""
        path = self.directory / 'fsid'
        if not path.exists():
            templates.write(path, str(uuid.uuid4()))
        return path.read_text()

    @property
    def mon_ports(self) -> tuple[int, int]:
        """The monitor's ports for the protocols v2 and v1."""
        if self._ports is None:
            found = all_ports.remembered(self.directory / 'ports.json',
                                         uuid.uuid4().int)
            self._ports = found['mon'], found['mon_v1']
        return self._ports

    @property
    def mon_host(self) -> str:
        """The monitor's address, as configuration files have it."""
        # Both protocols: to one that has only v1, every client would first
        # try v2 in vain.
        v2, v1 = self.mon_ports
        return f'[v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]'

    def conf(self, user: str = 'admin') -> str:
        """Path of a configuration file with which a user can connect."""
        if user == 'admin':
            return str(self.directory / 'ceph.conf')
        return str(self.directory / f'{user}.conf')

    def keyring(self, user: str = 'admin') -> pathlib.Path:
        """Path of the file with a user's key."""
        return self.directory / f'{self.name}.client.{user}.keyring'

    @contextlib.contextmanager
    def connection(self, user: str = 'admin',
                   **settings: str) -> Iterator[Any]:
        """A connected ``rados.Rados``.

        :param settings: more of Ceph's for this client
        """
        # Debian's package; not there yet when the sandbox is imported on a
        # bare machine.
        import rados
        client = rados.Rados(
            conffile=self.conf(user), rados_id=user, clustername=self.name,
            conf={'client_mount_timeout': '30', 'rados_mon_op_timeout': '60',
                  'log_to_stderr': 'false', 'err_to_stderr': 'false',
                  **settings})
        client.connect()
        try:
            yield client
        finally:
            client.shutdown()

    def command(self, prefix: str, **arguments: object) -> Any:
        """What the monitor answers to a command, as JSON gives it."""
        with self.connection() as monitor:
            return command(monitor, prefix, **arguments)


def command(monitor: Any, prefix: str, **arguments: object) -> Any:
    """Have a connected client send a command to the monitor."""
    request = {'prefix': prefix, 'format': 'json', **arguments}
    code, output, message = monitor.mon_command(json.dumps(request), b'')
    if code:
        raise errors.SandboxError('ceph', f'"{prefix}": {message} ({code})')
    return json.loads(output) if output.strip() else None
