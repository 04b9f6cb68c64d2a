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
"""Bytes handed to a converter through a socket, and nothing else.

qemu-img interprets hostile images, so it gets neither the key of Ceph nor a
file nor a network: qemu-nbd, which interprets nothing, has them, and qemu-img
a connected socket for each of its ends.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import os
import socket
import subprocess
import tempfile

from rbd_imgdriver.importer.qemu import arguments
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import memfd

# A listening socket is handed over as systemd does (sd_listen_fds(3)): as
# descriptor 3, to a process that knows its own id.  Other shells know no
# descriptors of two digits.
_SCRIPT = ('exec 3<&"$1"; shift; '
           'LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID; '
           'exec "$@"')

# Seconds that a server has to close its image after its client has gone.
_GRACE = 30.0


class NotServed(confined.Failed):
    """The image cannot be opened where it is."""


@contextlib.contextmanager
def served(name: str, node: arguments.Node, limits: confined.Limits,
           read_only: bool) -> Iterator[arguments.Node]:
    """Let a client use an image for a while.

    What the client wrote is in the image, or an error was raised, when the
    context ends: the server writes through.

    :param name: the image, in the notation of ``--image-opts``
    :param node: where it is
    :returns: the socket, as a node for the client
    :raises NotServed: when the server cannot open the image, also in place of
        what the client says of that
    """
    with memfd.file('stderr') as err, contextlib.ExitStack() as stack:
        listener, client = _sockets()
        try:
            server = _start(name, node, limits, read_only, listener, err)
        except BaseException:
            os.close(client)
            raise
        finally:
            os.close(listener)
        # Last, after the client has gone.
        stack.callback(_stop, server)
        hung_up = stack.enter_context(_closed_once(client))
        try:
            yield _node(client)
            hung_up()
            _check(server.wait(_GRACE), err)
        except confined.Failed as error:
            hung_up()
            _stop(server)
            _blame(server.returncode, err, error)
            raise
        except subprocess.TimeoutExpired as error:
            raise confined.Failed(
                f'qemu-nbd does not end within {_GRACE:.0f} seconds'
            ) from error


@contextlib.contextmanager
def _closed_once(descriptor: int) -> Iterator[Callable[[], None]]:
    """Close it at the end, or before by calling what is returned."""
    left = [descriptor]

    def close() -> None:
        while left:
            os.close(left.pop())

    try:
        yield close
    finally:
        close()


def _node(descriptor: int) -> arguments.Node:
    return arguments.Node(
        {'driver': 'nbd', 'server.type': 'fd', 'server.str': str(descriptor)},
        (descriptor,))


def _sockets() -> tuple[int, int]:
    """A listening one that nobody but the other can reach, ever.

    :returns: their descriptors
    """
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, 'nbd')
        listener = socket.socket(socket.AF_UNIX)
        client = socket.socket(socket.AF_UNIX)
        try:
            listener.bind(path)
            listener.listen(1)
            client.connect(path)
        except BaseException:
            listener.close()
            client.close()
            raise
    # Sockets of eventlet do not block and do not say when they are closed.
    for one in (listener, client):
        os.set_blocking(one.fileno(), True)
    return (memfd.for_programs(listener.detach()),
            memfd.for_programs(client.detach()))


def _start(name: str, node: arguments.Node, limits: confined.Limits,
           read_only: bool, listener: int, err: int) -> confined.Process:
    # Ceph's client would answer for writes that are still in its cache.
    through = node.options['driver'] == 'rbd' and not read_only
    argv = ['bash', '-c', _SCRIPT, 'bash', str(listener), 'qemu-nbd',
            '--cache=none' if through else '--cache=writeback',
            *(['--read-only'] if read_only else []), *node.arguments,
            '--image-opts', name]
    return confined.Process(
        confined.command(argv, limits, os.geteuid() == 0),
        stdin=subprocess.DEVNULL, stdout=err, stderr=err, cwd='/',
        pass_fds=(listener, *node.inherited))


def _stop(server: confined.Process) -> None:
    """End a server whose client has gone, cleanly if it can.

    It forgets a signal that comes while it is opening the image (qemu-nbd.c
    sets its state to running afterwards), so it is sent more than once.
    """
    for _ in range(int(_GRACE / confined.TICK)):
        if server.poll() is not None:
            return
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(confined.TICK)
    server.kill()
    server.wait()


def _check(code: int, err: int) -> None:
    if code:
        raise NotServed(confined.reason('qemu-nbd', code, memfd.tail(err)))


def _blame(code: int, err: int, error: confined.Failed) -> None:
    """Raise what the server said, if it was what failed."""
    try:
        _check(max(code, 0), err)
    except NotServed as reason:
        raise reason from error
