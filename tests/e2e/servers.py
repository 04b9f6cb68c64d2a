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

"""Servers, for the tests that have a Nova."""

from collections.abc import Callable
import re
from typing import Any

from sandbox import nova
from sandbox import polling
from sandbox import rest

# An emulated guest on a busy machine.
TIMEOUT = 300


class Servers:
    """Servers without a network; they go when the test ends."""

    def __init__(self, api: rest.Client) -> None:
        self._api = api
        self._made: list[str] = []

    def boot(self, volume: str, delete_volume: bool = False) -> str:
        """Boot a server from a volume and wait for its guest; its id."""
        server = self._api.compute('POST', '/servers', {'server': {
            'name': 'e2e', 'flavorRef': nova.FLAVOR, 'networks': 'none',
            'block_device_mapping_v2': [{
                'boot_index': 0, 'uuid': volume, 'source_type': 'volume',
                'destination_type': 'volume',
                'delete_on_termination': delete_volume}]}})['server']['id']
        self._made.append(server)
        self._await(lambda: self._status(server) == 'ACTIVE', server)
        self.await_console(server, 'GUEST ready')
        return str(server)

    def await_console(self, server: str, text: str) -> None:
        """Wait until the guest has said something."""
        self._await(lambda: text in self._console(server), server)

    def attach(self, server: str, volume: str) -> None:
        """Attach a volume to a running server."""
        self._api.compute('POST', f'/servers/{server}/os-volume_attachments',
                          {'volumeAttachment': {'volumeId': volume}})

    def detach(self, server: str, volume: str) -> None:
        """Detach it again; Cinder says when that is done."""
        self._api.compute(
            'DELETE', f'/servers/{server}/os-volume_attachments/{volume}')

    def reboot(self, server: str) -> None:
        """Turn a server off and on, and wait for its guest."""
        before = self._boots(server)
        self._act(server, {'reboot': {'type': 'HARD'}})
        self._await(lambda: self._boots(server) - before, server)
        self._await(lambda: self._status(server) == 'ACTIVE', server)

    def delete(self, server: str) -> None:
        """Delete a server and wait until it is gone."""
        try:
            self._api.compute('DELETE', f'/servers/{server}')
            self._await(lambda: self._status(server) == 'DELETED', server)
        except rest.RestError as error:
            if error.code != 404:
                raise

    def clean_up(self) -> None:
        while self._made:
            self.delete(self._made.pop())

    def _boots(self, server: str) -> set[str]:
        """The kernel's names for the times the guest was started."""
        return set(re.findall(r'GUEST boot: (\S+)', self._console(server)))

    def _console(self, server: str) -> str:
        try:
            shown = self._act(server, {'os-getConsoleOutput': {}})
        except rest.RestError as error:
            if error.code != 404:
                raise
            return ''  # it is off, on its way to being on
        return str(shown['output'])

    def _status(self, server: str) -> str:
        return str(self._show(server)['status'])

    def _show(self, server: str) -> dict[str, Any]:
        shown = self._api.compute('GET', f'/servers/{server}')['server']
        assert shown['status'] != 'ERROR', shown.get('fault')
        return dict(shown)

    def _act(self, server: str, action: dict[str, Any]) -> Any:
        return self._api.compute('POST', f'/servers/{server}/action', action)

    def _await(self, done: Callable[[], object], server: str) -> None:
        assert polling.wait_until(lambda: bool(done()), TIMEOUT, 0.5), (
            f'{self._status(server)} after {TIMEOUT} s; its console: '
            + self._console(server)[-2000:])
