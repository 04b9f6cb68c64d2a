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
"""LUKS containers in RBD, filled by qemu-img.

The container's header is made in memory (luks_header.py) and written into an
image that we made ourselves, with the layout that volumes have; then qemu-img
opens the container and writes into it.

librbd can encrypt as well, with half the processor time of qemu 10, but not
every container: with AES-XTS only, and in Ceph 18 only those whose data
begins with an object, which ours never do
(src/librbd/crypto/luks/LoadRequest.cc).
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import os

from oslo_log import log as logging

from rbd_imgdriver.importer.qemu import arguments as qemu
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver.importer.qemu import memfd

LOG = logging.getLogger(__name__)

# qemu measures how fast the machine is to choose the number of iterations of
# the key's derivation, and gives up at once, in 10 ms, when no tick of the
# clock falls into its first measurement ("Unable to get accurate CPU usage",
# crypto/pbkdf.c; with qemu 7.2 seven times in a row).
_ATTEMPTS = 100


class Key:
    """A passphrase that programs can read and nobody else.

    :param encryption: what it is for
    :param descriptor: of a file in memory
    """

    def __init__(self, encryption: luks_header.Encryption,
                 descriptor: int) -> None:
        self._encryption = encryption
        self._descriptor = descriptor

    @property
    def arguments(self) -> tuple[str, ...]:
        """What makes the passphrase known to qemu-img."""
        return qemu.secret('luks', self._descriptor, 'raw')

    def containers(self, image: qemu.Node) -> tuple[qemu.Target, ...]:
        """Ways into the container that an RBD image holds, the best first."""
        image = dataclasses.replace(
            image, inherited=(*image.inherited, self._descriptor),
            arguments=(*image.arguments, *self.arguments))
        by_librbd = dataclasses.replace(
            image, options={**image.options, 'encrypt.format': 'luks',
                            'encrypt.key-secret': 'luks'})
        return (qemu.Target('raw', by_librbd),
                qemu.Target('luks', image, {'key-secret': 'luks'}))

    def header(self, iterations: int, limits: confined.Limits) -> bytes:
        """The header of a new container.

        cryptsetup makes it with as few iterations as wanted.  Without root it
        knows no other ciphers than OpenSSL and the kernel's AF_ALG sockets;
        qemu-img knows more.

        :param iterations: of the key's derivation; qemu chooses them itself
        :raises confined.Failed: when neither can make such a container
        """
        try:
            return luks_header.make(self._encryption, self._descriptor,
                                    iterations, limits)
        except confined.Failed as error:
            LOG.info('qemu-img makes the LUKS header: %s', error)
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._by_qemu(limits)
            except confined.Failed as error:
                if 'CPU usage' not in str(error):
                    raise
                LOG.debug('Making a LUKS header once more: %s', error)
        return self._by_qemu(limits)

    def _by_qemu(self, limits: confined.Limits) -> bytes:
        with memfd.file('luks.header') as file:
            confined.run(
                ['qemu-img', 'create', '-q', '-f', 'luks', *self.arguments,
                 '-o', qemu_options(self._encryption), memfd.path(file), '0'],
                limits, (self._descriptor, file))
            return os.pread(file, os.fstat(file).st_size, 0)


@contextlib.contextmanager
def key(encryption: luks_header.Encryption) -> Iterator[Key]:
    """Make a passphrase readable for programs, in memory."""
    with memfd.file('luks.key', encryption.passphrase.encode()) as file:
        yield Key(encryption, file)


def qemu_options(encryption: luks_header.Encryption) -> str:
    """What ``qemu-img create -o`` needs to know of a new container."""
    ivgen, _, ivgen_hash = encryption.ivgen_alg.partition(':')
    options = {'key-secret': 'luks', 'cipher-alg': encryption.cipher_alg,
               'cipher-mode': encryption.cipher_mode, 'ivgen-alg': ivgen}
    if ivgen_hash:
        options['ivgen-hash-alg'] = ivgen_hash
    return ','.join(f'{name}={value}' for name, value in options.items())
