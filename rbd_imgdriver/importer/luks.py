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
"""LUKS containers in RBD, written by qemu.

The container's header is made in memory and written into an image that we
made ourselves, with the layout that volumes have; then qemu-img opens the
container and writes into it.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import os

from oslo_log import log as logging

from rbd_imgdriver.importer import memory
from rbd_imgdriver.importer import program
from rbd_imgdriver.importer import qemu

LOG = logging.getLogger(__name__)

# qemu measures how fast the machine is to choose the number of iterations of
# the key's derivation, and gives up when the machine is too busy to measure
# ("Unable to get accurate CPU usage", seen with qemu 7.2).
_ATTEMPTS = 8

_SECTOR = 512
_PAYLOAD_OFFSET = 104  # of the field in the header of LUKS 1, big-endian


@dataclasses.dataclass(frozen=True)
class Encryption:
    """How a volume is to be encrypted.

    :param passphrase: never for a log or a command line
    :param cipher_alg: as qemu names it, for example ``aes-256``
    :param cipher_mode: for example ``xts``
    :param ivgen_alg: for example ``plain64``; with its hash, if it has one:
        ``essiv:sha256``
    """

    passphrase: str = dataclasses.field(repr=False)
    cipher_alg: str
    cipher_mode: str
    ivgen_alg: str


class Key:
    """A passphrase that programs can read and nobody else.

    :param descriptor: of a file in memory
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @property
    def arguments(self) -> tuple[str, ...]:
        """What makes the passphrase known to qemu-img."""
        return qemu.secret('luks', self._descriptor, 'raw')

    def container(self, node: qemu.Node) -> qemu.Target:
        """The inside of the container that an image holds."""
        return qemu.Target(
            'luks', dataclasses.replace(
                node, inherited=(*node.inherited, self._descriptor),
                arguments=(*node.arguments, *self.arguments)),
            {'key-secret': 'luks'})

    def header(self, encryption: Encryption, limits: program.Limits) -> bytes:
        """The header of a new container.

        :raises program.Failed: when qemu-img cannot make such a container
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._header(encryption, limits)
            except program.Failed as error:
                if 'CPU usage' not in str(error):
                    raise
                LOG.info('Making a LUKS header once more: %s', error)
        return self._header(encryption, limits)

    def _header(self, encryption: Encryption,
                limits: program.Limits) -> bytes:
        with memory.file('luks.header') as file:
            program.run(
                ['qemu-img', 'create', '-q', '-f', 'luks', *self.arguments,
                 '-o', _options(encryption), memory.path(file), '0'],
                limits, (self._descriptor, file))
            start = os.pread(file, 4, _PAYLOAD_OFFSET)
            return os.pread(file, int.from_bytes(start, 'big') * _SECTOR, 0)


@contextlib.contextmanager
def key(encryption: Encryption) -> Iterator[Key]:
    """Hand a passphrase to programs, in memory."""
    with memory.file('luks.key', encryption.passphrase.encode()) as file:
        yield Key(file)


def _options(encryption: Encryption) -> str:
    ivgen, _, ivgen_hash = encryption.ivgen_alg.partition(':')
    options = {'key-secret': 'luks', 'cipher-alg': encryption.cipher_alg,
               'cipher-mode': encryption.cipher_mode, 'ivgen-alg': ivgen}
    if ivgen_hash:
        options['ivgen-hash-alg'] = ivgen_hash
    return ','.join(f'{name}={value}' for name, value in options.items())
