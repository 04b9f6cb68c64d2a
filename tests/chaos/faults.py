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
"""What goes wrong with a cluster, by Ceph's own means.

Each fault begins between two steps of the machine; another one, or the end of
the seed, ends it, or it ends by itself within seconds.
"""

from collections.abc import Callable
import contextlib
import json
import os
import signal
import threading
from typing import Any

import rados

from sandbox import ceph
from sandbox import errors
from sandbox import polling

_OPTIONS = {
    'ms_inject_socket_failures': '0', 'ms_inject_delay_type': '',
    'ms_inject_delay_max': '0', 'ms_inject_delay_probability': '0',
    'heartbeat_inject_failure': '0'}
_POOL = 'volumes'
# Seconds that the cluster is given to work again.
_BACK = 240


class Faults:
    """Faults of one cluster with one object store."""

    def __init__(self, cluster: ceph.Cluster) -> None:
        self._cluster = cluster
        self._pending: list[threading.Timer] = []
        self._is_set = False
        self.last = 'nothing'

    def next(self, choices: Any, clients: list[Any]) -> None:
        """Begin another fault, end what there is, or do nothing.

        :param clients: the connections of the hosts
        """
        self._pending = [one for one in self._pending if one.is_alive()]
        if self._pending or choices.number(0, 2):
            return
        fault = choices.choose([
            self._socket_failures, self._delays, self._heartbeat,
            self._stopped, self._killed, self._quota, self._nothing,
            lambda _: self._blocklisted(choices.choose(clients))])
        self.last = getattr(fault, '__name__', 'blocklisted').strip('_')
        fault(choices)

    def end(self) -> None:
        """Let the cluster work, and wait until it does."""
        for one in self._pending:
            one.join()
        self._pending = []
        self._set({})
        self._lift_quota()
        for daemon in self._cluster.daemons():
            daemon.ensure()

    # -- by options of the daemons and of all clients ------------------------

    def _set(self, options: dict[str, str]) -> None:
        if not options and not self._is_set:
            return
        for name, default in _OPTIONS.items():
            for who in ('osd', 'client'):
                self._command('config set', who=who, name=name,
                              value=options.get(name, default))
        self._is_set = bool(options)

    def _nothing(self, _choices: Any) -> None:
        self._set({})

    def _socket_failures(self, choices: Any) -> None:
        # One of so many calls to a socket fails.  Ceph's own suites go down
        # to 500; with 100 a busy machine sends for ever what it was sending.
        self._set({'ms_inject_socket_failures': choices.choose(
            ['300', '500', '1000'])})

    def _delays(self, _choices: Any) -> None:
        self._set({'ms_inject_delay_type': 'osd client mon',
                   'ms_inject_delay_max': '0.1',
                   'ms_inject_delay_probability': '0.05'})

    def _heartbeat(self, _choices: Any) -> None:
        self._set({'heartbeat_inject_failure': '3'})

    # -- to the object store -------------------------------------------------

    def _daemon(self) -> Any:
        return self._cluster.daemons()[-1]

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, action)
        timer.daemon = True
        self._pending.append(timer)
        timer.start()

    def _stopped(self, choices: Any) -> None:
        pid = self._daemon().running().pid
        os.kill(pid, signal.SIGSTOP)
        self._later(choices.number(1, 30) / 10,
                    lambda: os.kill(pid, signal.SIGCONT))

    def _killed(self, choices: Any) -> None:
        self._daemon().kill()
        self._later(choices.number(1, 10) / 10, self._daemon().ensure)

    # -- by the monitors -----------------------------------------------------

    def _blocklisted(self, client: Any) -> None:
        with contextlib.suppress(rados.Error), client.checked_out():
            addresses = client.client().get_addrs()
            self._command('osd blocklist', blocklistop='add',
                          addr=addresses)

    def _quota(self, choices: Any) -> None:
        self._command('osd pool set-quota', pool=_POOL, field='max_objects',
                      val='1')
        self._later(choices.number(5, 40) / 10, self._lift_quota)

    def _lift_quota(self) -> None:
        self._command('osd pool set-quota', pool=_POOL, field='max_objects',
                      val='0')

        def has_room() -> bool:
            pools = self._command('osd dump')['pools']
            return all('full_quota' not in one['flags_names']
                       for one in pools)

        assert polling.wait_until(has_room, _BACK)

    def _command(self, prefix: str, **arguments: object) -> Any:
        with self._cluster.connection() as admin:
            try:
                return ceph.command(admin, prefix, **arguments)
            except (errors.SandboxError, json.JSONDecodeError) as error:
                raise AssertionError(f'{prefix}: {error}') from error
