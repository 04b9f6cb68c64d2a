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

"""libvirt, with its own view of the machine.

It keeps to fixed directories, and the guests that it starts leave its
process group.  So it gets a mount namespace in which those directories are
the sandbox's, and a process namespace which ends with it, guests included.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
import contextlib
import pathlib
import shlex
from typing import Any
import uuid

from sandbox import background
from sandbox import context
from sandbox import packages
from sandbox import parts
from sandbox import steps
from sandbox import storage
from sandbox import templates

NAME = 'libvirtd'
# A user whom libvirt wants to know whether or not it needs that user.
USER = 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin\n'
GROUP = 'libvirt-qemu:x:64055:\n'
# The fixed directories, and what they are in the sandbox.
DIRECTORIES = {'/etc/libvirt': 'etc', '/run/libvirt': 'run',
               '/var/lib/libvirt': 'lib', '/var/cache/libvirt': 'cache',
               '/var/log/libvirt': 'log'}
MODULES = ('libvirt', 'libvirt_qemu', 'libvirtmod', 'libvirtmod_qemu')


def secret(sandbox: context.Context, user: str) -> str:
    """The UUID under which libvirt has the key of a Ceph user."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL,
                          f'{sandbox.layout.ceph_name}/{user}'))


def uri(sandbox: context.Context) -> str:
    """How clients reach libvirt."""
    return f'qemu+unix:///system?socket={_socket(sandbox)}'


class Libvirt(parts.Part):
    """The daemon and the keys of the users that attach volumes."""

    def steps(self) -> list[steps.Step]:
        here = self.sandbox.layout
        return [
            steps.Step('nova-packages', lambda: packages.install(
                packages.NOVA, here.log('packages')), after=('packages',)),
            steps.Step(NAME, self.start, after=('nova-packages',)),
            steps.Step('libvirt-keys', self.add_keys,
                       after=(NAME, 'ceph'))]

    def daemons(self) -> list[background.Daemon]:
        places = {**DIRECTORIES, '/etc/passwd': 'passwd',
                  '/etc/group': 'group'}
        script = ' && '.join([
            *(f'mkdir -p {at}' for at in DIRECTORIES),
            *(f'mount --bind {shlex.quote(str(self._place(name)))} {at}'
              for at, name in places.items()),
            # The shell stays: the first process of a namespace has to reap
            # what has lost its parent, as every qemu that libvirtd starts.
            # libvirtd does not, and takes a zombie for a qemu that cannot be
            # killed, for 40 s each.
            '{ libvirtd --pid-file /run/libvirt/libvirtd.pid & wait $!; }'])
        return [self.sandbox.daemon(
            NAME, ['unshare', '--mount', '--pid', '--fork', '--mount-proc',
                   '--kill-child', 'sh', '-c', script],
            lambda daemon: self._serves(),
            configuration=[self._place('etc')],
            # unshare waits for its child whatever signal it gets; when it is
            # killed, so is all that runs in the namespace.
            stop_timeout=0.1)]

    def configure(self) -> None:
        for name in DIRECTORIES.values():
            self._place(name).mkdir(parents=True, exist_ok=True)
        self.sandbox.render('libvirtd.conf', self._place('etc') /
                            'libvirtd.conf')
        self.sandbox.render('libvirt-qemu.conf', self._place('etc') /
                            'qemu.conf')
        for name, entry in ('passwd', USER), ('group', GROUP):
            known = pathlib.Path('/etc', name).read_text()
            templates.write(self._place(name), known + entry, mode=0o644)

    def add_keys(self) -> None:
        """Give libvirt the keys of the backends' Ceph users."""
        with self._connection() as connection:
            for user in storage.OS_BRICK_USERS:
                defined = connection.secretDefineXML(
                    '<secret ephemeral="no" private="no">'
                    f'<uuid>{secret(self.sandbox, user)}</uuid>'
                    f'<usage type="ceph"><name>client.{user}</name></usage>'
                    '</secret>')
                defined.setValue(base64.b64decode(
                    storage.key(self.sandbox, user)))

    def _serves(self) -> bool:
        """Whether guests can be started."""
        import libvirt
        try:
            with self._connection():
                return True
        except libvirt.libvirtError:
            return False

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Any]:
        # The distribution's, and not there before it is installed.
        import libvirt

        # It would print every error, also those that are expected.
        libvirt.registerErrorHandler(lambda context, error: None, None)
        connection = libvirt.open(uri(self.sandbox))
        try:
            yield connection
        finally:
            connection.close()

    def _place(self, name: str) -> pathlib.Path:
        return self.sandbox.layout.data / 'libvirt' / name


def _socket(sandbox: context.Context) -> pathlib.Path:
    return sandbox.layout.data / 'libvirt' / 'run' / 'libvirt-sock'
