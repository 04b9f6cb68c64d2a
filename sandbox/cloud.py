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

"""The cloud as a whole: its parts, up, down, restart, what runs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
import contextlib
import fcntl
import shutil

from sandbox import background
from sandbox import cinder
from sandbox import context
from sandbox import errors
from sandbox import glance
from sandbox import keystone
from sandbox import libvirt
from sandbox import mariadb
from sandbox import memcached
from sandbox import nova
from sandbox import packages
from sandbox import parts
from sandbox import placement
from sandbox import process
from sandbox import progress
from sandbox import rabbitmq
from sandbox import steps
from sandbox import storage
from sandbox import venv


class Cloud:
    """Everything that runs in one sandbox."""

    def __init__(self, sandbox: context.Context,
                 report: progress.Progress) -> None:
        self._sandbox = sandbox
        self._report = report
        self._base: tuple[parts.Part, ...] = (
            storage.Storage(sandbox), mariadb.MariaDB(sandbox),
            rabbitmq.RabbitMQ(sandbox), memcached.Memcached(sandbox))
        self._openstack: tuple[parts.Part, ...] = (
            keystone.Keystone(sandbox), glance.Glance(sandbox),
            cinder.Cinder(sandbox))
        if sandbox.settings.nova:
            self._base += (libvirt.Libvirt(sandbox),)
            self._openstack += (placement.Placement(sandbox),
                                nova.Nova(sandbox))

    def up(self, *more: steps.Step) -> None:
        """Install what is missing, start what does not run.

        :param more: what else to do; may come after any step of the parts
        """
        with self._locked():
            self._stop([self._unwanted()])
            steps.run([
                *self._installation(),
                *(step for part in self._base + self._openstack
                  for step in part.steps()),
                *more], self._report)

    def down(self) -> None:
        """Stop everything, by process id."""
        with self._locked():
            self._stop([[daemon] for part in self._openstack
                        for daemon in part.daemons()])
            self._stop([list(reversed(part.daemons()))
                        for part in self._base])
            # And what a crash may have left without a record.
            process.stop_all(
                list(process.marked(self._sandbox.layout.root)), 10)

    def purge(self) -> None:
        """Stop everything and remove every file."""
        self.down()
        storage.Storage(self._sandbox).remove_keyrings()
        shutil.rmtree(self._sandbox.layout.root)

    def daemons(self) -> list[background.Daemon]:
        """All background processes, in the order of dependence."""
        return [daemon for part in self._base + self._openstack
                for daemon in part.daemons()]

    def restart(self, names: list[str]) -> None:
        """Stop and start some daemons, with the present configuration.

        All at once: each mostly waits.
        """
        owners = {daemon.name: part for part in self._base + self._openstack
                  for daemon in part.daemons()}
        known = {daemon.name: daemon for daemon in self.daemons()}
        for name in names:
            if name not in known:
                raise errors.SandboxError(
                    name, 'no such service; there are ' + ', '.join(known))
        with self._locked():
            for part in dict.fromkeys(owners[name] for name in names):
                part.configure()
            with futures.ThreadPoolExecutor(len(names)) as pool:
                list(pool.map(self._restart,
                              [known[name] for name in names]))

    def _restart(self, daemon: background.Daemon) -> None:
        with self._report.step(daemon.name):
            daemon.stop()
            daemon.start()
            daemon.await_ready()

    def _unwanted(self) -> list[background.Daemon]:
        """What runs that other settings have asked for."""
        wanted = {daemon.name for daemon in self.daemons()}
        return [self._sandbox.daemon(record.stem, (), lambda daemon: True)
                for record in sorted(self._sandbox.layout.run.glob('*.json'))
                if record.stem not in wanted]

    def _installation(self) -> list[steps.Step]:
        here = self._sandbox.layout
        log = here.log('packages')
        return [
            steps.Step('python', lambda: packages.install(
                packages.PYTHON, log)),
            steps.Step('packages', lambda: packages.install(
                packages.CLOUD, log), after=('python',)),
            steps.Step('venv', lambda: venv.install(here),
                       after=('python',)),
            steps.Step('driver', lambda: venv.install_driver(here),
                       after=('venv',)),
            steps.Step('bindings', lambda: venv.link_ceph(here),
                       after=('venv', 'packages'))]

    def _stop(self, queues: list[list[background.Daemon]]) -> None:
        """Stop daemons; all queues at once, each in its order."""
        def stop(queue: list[background.Daemon]) -> None:
            for daemon in queue:
                if daemon.running() is not None:
                    with self._report.step(daemon.name):
                        daemon.stop()

        with futures.ThreadPoolExecutor(len(queues)) as pool:
            list(pool.map(stop, queues))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One command at a time changes a sandbox."""
        with open(self._sandbox.layout.root / 'lock', 'w') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._report.line('another command is at work here; waiting')
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
