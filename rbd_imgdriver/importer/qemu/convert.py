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
"""qemu-img at work: from an image in a foreign format into another."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import os
import pathlib
import re
import signal

from rbd_imgdriver.ceph import parts
from rbd_imgdriver.importer.check import formats
from rbd_imgdriver.importer.qemu import arguments as qemu
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import memfd
from rbd_imgdriver.importer.qemu import nbd
from rbd_imgdriver import model

_ANSWER = re.compile(r'\((\d+\.\d+)/100%\)')

# CPU seconds that a conversion may take: so many, and so many for each GiB of
# the image's file.  To unpack what fills a GiB takes up to 10 seconds, and
# what is worth packing is packed to a tenth.  The size of the disk inside is
# no measure: a file of 6 MiB can claim any, all of it packed zeros.
_CPU = 120
_CPU_PER_GIB = 300
# And for each GiB that is encrypted, zeros included.
_CPU_PER_GIB_ENCRYPTED = 60

# Requests in flight, of up to 2 MiB each: as many as qemu-img allows.
_AT_ONCE = '16'


class Cluster:
    """Lets qemu-img use the cluster as our user.

    :param user: cephx user
    :param conf: descriptor of the configuration
    :param key: descriptor of the secret
    """

    def __init__(self, user: str, conf: int, key: int) -> None:
        self._user = user
        self._conf = conf
        self._key = key

    def node(self, pool: str, image: str) -> qemu.Node:
        """An RBD image."""
        options = {'driver': 'rbd', 'pool': pool, 'image': image,
                   'user': self._user, 'conf': memfd.path(self._conf),
                   'key-secret': 'ceph'}
        return qemu.Node(options, (self._conf, self._key),
                         qemu.secret('ceph', self._key, 'base64'))


@contextlib.contextmanager
def cluster(pool: parts.Pool) -> Iterator[Cluster]:
    """Hand our credentials to programs, in memory."""
    who = pool.credentials()
    # No keyring, log or socket: the program could not open them.
    conf = (f'{who.conf}\n[client.{who.user}]\n'
            'keyring =\nlog_file =\nadmin_socket =\n')
    with memfd.file('ceph.conf', conf.encode()) as conf_file, \
            memfd.file('ceph.key', who.key.encode()) as key_file:
        yield Cluster(who.user, conf_file, key_file)


def info(source: qemu.Source, limits: confined.Limits,
         tick: Callable[[], None]) -> qemu.Facts:
    """Ask qemu-img what an image is.

    :param tick: called twice a second
    :raises confined.Failed: when qemu-img cannot read it
    """
    def look(_pid: int, _errors: int) -> bool:
        tick()
        return False  # it reports nothing before its end

    with _readable(source, limits) as reading:
        answer = confined.run(
            ['qemu-img', 'info', '--output=json', reading.name], limits,
            reading.node.inherited, look, sandboxed=_is_foreign(source))
    try:
        return qemu.facts(answer)
    except ValueError as error:
        raise confined.Failed(f'qemu-img info makes no sense: {error}'
                             ) from error


def convert(source: qemu.Source, target: qemu.Target, size: int,
            limits: confined.Limits, tick: Callable[[int], None],
            zeroed: bool) -> None:
    """Copy a disk into an image that exists and is large enough.

    :param size: bytes of the disk
    :param tick: called twice a second with the bytes done
    :param zeroed: whether the target reads as zeros; if not, all of the
        disk's zeros are written
    :raises confined.Failed: when the source is damaged, or nothing moves
    """
    with _readable(source, limits) as reading, nbd.served(
            target.name, target.node, limits, read_only=False) as written:
        confined.run(
            ['qemu-img', 'convert', '-n',
             *(['--target-is-zero'] if zeroed else ['-S', '0']),
             '-W', '-m', _AT_ONCE, '--target-image-opts', reading.name,
             qemu.Target('raw', written).name],
            limits, (*reading.node.inherited, *written.inherited),
            _Progress(size, tick), sandboxed=_is_foreign(source))


def create(source: qemu.Source, driver: str, descriptor: int, size: int,
           limits: confined.Limits, file_size: int,
           compressed: bool) -> None:
    """Write a disk into a file, as an image of another format.

    :param driver: qemu's name of the format
    :param descriptor: of the file
    :param size: bytes of the disk
    :param file_size: bytes that the file may have at most
    :param compressed: compress the data
    :raises confined.Failed: when it cannot be done
    """
    confined.run(
        ['qemu-img', 'convert', *source.node.arguments,
         *(['-c'] if compressed else []), '-O', driver, '-W', '-m', _AT_ONCE,
         source.name, memfd.path(descriptor)],
        dataclasses.replace(limits, file_size=file_size),
        (*source.node.inherited, descriptor),
        _Progress(size, lambda _: None))


def cpu_seconds(held: int, encrypted: int = 0) -> int:
    """The CPU time that a conversion may take.

    :param held: bytes of the file that it reads, as they arrived
    :param encrypted: bytes of the volume that it encrypts
    """
    return _CPU + (_CPU_PER_GIB * held
                   + _CPU_PER_GIB_ENCRYPTED * encrypted) // model.GIB


@contextlib.contextmanager
def _readable(source: qemu.Source,
              limits: confined.Limits) -> Iterator[qemu.Source]:
    """The same image at the other end of a socket."""
    with nbd.served(qemu.Target('raw', source.node).name, source.node, limits,
                    read_only=True) as node:
        yield dataclasses.replace(source, node=node)


def _is_foreign(source: qemu.Source) -> bool:
    """Whether qemu-img interprets the image; raw data it only copies."""
    return formats.qemu_driver(source.disk_format) != 'raw'


class _Progress:
    """Asks qemu-img with SIGUSR1 how far it is, as its manual says.

    It answers when the next part is done, in hundredths of a percent, so an
    answer is a sign of life however large the image is.
    """

    def __init__(self, size: int, tick: Callable[[int], None]) -> None:
        self._size = size
        self._tick = tick
        self._heard = 0

    def __call__(self, pid: int, errors: int) -> bool:
        heard = os.fstat(errors).st_size
        moved = heard > self._heard
        self._heard = heard
        answers = _ANSWER.findall(memfd.tail(errors))
        percent = float(answers[-1]) if answers else 0.0
        self._tick(int(self._size * percent / 100))
        if _is_qemu(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGUSR1)
        return moved


def _is_qemu(pid: int) -> bool:
    """Whether the wrappers, which the signal would kill, are done."""
    try:
        name = pathlib.Path(f'/proc/{pid}/comm').read_text()
    except OSError:
        return False  # it has ended
    return name.strip() == 'qemu-img'
