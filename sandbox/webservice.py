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

"""The web services: how uWSGI runs an OpenStack API."""

from __future__ import annotations

from collections.abc import Sequence
import os
import pathlib

from sandbox import background
from sandbox import context
from sandbox import polling
from sandbox import templates


def daemon(sandbox: context.Context, name: str, port: str, module: str, *,
           processes: int, threads: int, arguments: Sequence[str] = (),
           path: str = '/', configuration: Sequence[pathlib.Path] = (),
           **environ: object) -> background.Daemon:
    """A uWSGI that serves one API.

    :param port: name of the port
    :param arguments: what the application sees as its command line
    :param path: what answers when it is ready
    """
    command: list[str | os.PathLike[str]] = [
        sandbox.layout.venv / 'bin' / 'pyuwsgi',
        '--http-socket', f'127.0.0.1:{sandbox.ports[port]}',
        '--module', f'{module}:application',
        '--processes', str(processes), '--threads', str(threads),
        '--master', '--lazy-apps', '--need-app', '--enable-threads',
        '--die-on-term', '--exit-on-reload', '--no-orphans',
        '--thunder-lock', '--buffer-size', '65535',
        '--log-format', '%(method) %(uri) %(status) in %(msecs) ms',
        # Glance reads uploads as they come, whatever their length.
        '--http-chunked-input', '--http-auto-chunked', '--http-raw-body',
        # A busy client may pause for longer than the default, 4 s.
        '--socket-timeout', '60', '--chunked-input-timeout', '60',
        # glanceclient sends 1 MiB at a time; the default is just below that.
        '--chunked-input-limit', str(2**23),
        '--add-header', 'Connection: close']
    if arguments:
        command += ['--pyargv', ' '.join(arguments)]
    url = sandbox.url(port, path)
    return sandbox.daemon(
        name, command, lambda daemon: polling.http_answers(url),
        env=sandbox.environ(**environ), ready_timeout=120,
        configuration=configuration)


def auth(sandbox: context.Context, user: str) -> str:
    """The options with which a service authenticates itself."""
    return templates.text('auth.conf', user=user,
                          keystone=sandbox.url('keystone', '/v3'),
                          password=sandbox.layout.password)


def authtoken(sandbox: context.Context, user: str) -> str:
    """The options with which a service checks its users' tokens."""
    return auth(sandbox, user) + templates.text(
        'authtoken.conf', keystone=sandbox.url('keystone', '/v3'),
        port_memcached=sandbox.ports['memcached'])
