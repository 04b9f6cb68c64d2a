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
"""qemu-img: from an image in a foreign format into an RBD image.

Formats are always given, never probed; a backing file is ruled out in the
source's own options; secrets and files arrive as inherited descriptors.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses
import json
import pathlib
import re
import signal
import subprocess
from typing import Any

from rbd_imgdriver.ceph import credentials
from rbd_imgdriver.importer import formats
from rbd_imgdriver.importer import program
from rbd_imgdriver.importer import secrets

_PERCENT = re.compile(r'\((\d+\.\d+)/100%\)')


@dataclasses.dataclass(frozen=True)
class Facts:
    """What qemu-img says of an image.

    :param virtual_size: bytes of the disk inside
    :param details: its whole answer
    """

    virtual_size: int
    details: Mapping[str, Any]


class Access:
    """Descriptors with what qemu needs to reach the cluster.

    :param conf: of the configuration
    :param key: of the secret
    """

    def __init__(self, user: str, conf: int, key: int) -> None:
        self._user = user
        self._conf = conf
        self._key = key

    @property
    def descriptors(self) -> tuple[int, int]:
        """What the program has to inherit."""
        return self._conf, self._key

    @property
    def secret(self) -> list[str]:
        """The arguments that make the key known to qemu-img."""
        return ['--object',
                f'secret,id=key,format=base64,file={secrets.path(self._key)}']

    def node(self, pool: str, image: str,
             snapshot: str | None = None) -> dict[str, str]:
        """qemu's options for an RBD image."""
        node = {'driver': 'rbd', 'pool': pool, 'image': image,
                'user': self._user, 'conf': secrets.path(self._conf),
                'key-secret': 'key'}
        return node | ({'snapshot': snapshot} if snapshot else {})


@contextlib.contextmanager
def access(who: credentials.Credentials) -> Iterator[Access]:
    """Hand our credentials to a program, in memory."""
    # Neither log nor socket: it could write neither, and would complain.
    conf = (f'{who.conf}\n[client.{who.user}]\n'
            'keyring =\nlog_file =\nadmin_socket =\n')
    with secrets.memory_file('ceph.conf', conf.encode()) as conf_file, \
            secrets.memory_file('ceph.key', who.key.encode()) as key_file:
        yield Access(who.user, conf_file, key_file)


def file_node(descriptor: int) -> dict[str, str]:
    """qemu's options for a file that it inherits."""
    return {'driver': 'file', 'filename': secrets.path(descriptor),
            'locking': 'off'}


def source(disk_format: str, node: Mapping[str, str]) -> str:
    """qemu's name for an image: its format and place, and nothing else."""
    options: dict[str, Any] = {'driver': formats.qemu_driver(disk_format),
                               'read-only': True, 'file': dict(node)}
    if disk_format in ('qcow2', 'qed', 'vmdk'):
        options['backing'] = None
    return 'json:' + json.dumps(options)


def target(driver: str, node: Mapping[str, str],
           options: Mapping[str, str] | None = None) -> str:
    """The same as qemu's option string, which targets are given as."""
    pairs = {'driver': driver, **(options or {})}
    pairs |= {f'file.{key}': value for key, value in node.items()}
    return ','.join(f'{key}={value.replace(",", ",,")}'
                    for key, value in pairs.items())


def info(name: str, limits: program.Limits, descriptors: tuple[int, ...],
         secret: list[str]) -> Facts:
    """Ask qemu-img what an image is.

    :param name: as :func:`source` gives it
    :raises program.Failed: when it is no such image
    """
    answer = program.run(
        ['qemu-img', 'info', '--output=json', *secret, name],
        limits, descriptors)
    details = json.loads(answer)
    return Facts(int(details['virtual-size']), details)


def convert(name: str, into: str, limits: program.Limits,
            descriptors: tuple[int, ...], secret: list[str],
            report: Callable[[float], None], zeroed: bool = True) -> None:
    """Copy an image's disk into an existing image.

    :param name: the source, as :func:`source` gives it
    :param into: as :func:`target` gives it
    :param report: called with the percentage done
    :param zeroed: whether the target reads as zeros
    :raises program.Failed: when the source is damaged or it does not move on
    """
    program.run(
        ['qemu-img', 'convert', *secret, '-n',
         *(['--target-is-zero'] if zeroed else []), '-W', '-m', '8',
         '--target-image-opts', name, into],
        limits, descriptors, _Progress(report))


class _Progress:
    """Asks qemu-img for its progress with SIGUSR1, as its manual says.

    It answers when the next part is done, in hundredths of a percent, so an
    answer is a sign of life however large the image is.
    """

    def __init__(self, report: Callable[[float], None]) -> None:
        self._report = report
        self._answers = 0

    def __call__(self, process: subprocess.Popen[bytes],
                 said: str) -> bool:
        answers = _PERCENT.findall(said)
        moved = len(answers) > self._answers
        self._answers = len(answers)
        if moved:
            self._report(float(answers[-1]))
        if _is_qemu(process):
            process.send_signal(signal.SIGUSR1)
        return moved


def _is_qemu(process: subprocess.Popen[bytes]) -> bool:
    """Whether the wrappers, which the signal would kill, are done."""
    try:
        name = pathlib.Path(f'/proc/{process.pid}/comm').read_text()
    except OSError:
        return False  # it has ended
    return name.strip() == 'qemu-img'
