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

librbd can encrypt as well, four times as fast as qemu 7.2, but not every
container: with AES-XTS only, and in Ceph 18 only those whose data begins with
an object, which qemu's never do (src/librbd/crypto/luks/LoadRequest.cc).
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import os
import struct

from oslo_log import log as logging

from rbd_imgdriver.importer.qemu import arguments as qemu
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import memfd

LOG = logging.getLogger(__name__)

# qemu measures how fast the machine is to choose the number of iterations of
# the key's derivation, and gives up at once, in 10 ms, when no tick of the
# clock falls into its first measurement ("Unable to get accurate CPU usage",
# crypto/pbkdf.c; with qemu 7.2 seven times in a row).
_ATTEMPTS = 100

# Milliseconds that deriving a container's key may take: what cryptsetup and
# qemu both aim at.
_DERIVATION_MS = 2000

_SECTOR = 512

# The begin of a LUKS 1 header, up to the length of its key (LUKS On-Disk
# Format Specification 1.2.3): magic, version, cipher's name and mode, hash,
# the payload's first sector, and the bytes of the key.
_BEGIN = struct.Struct('>6sH32s32s32sII')
_MAGIC = b'LUKS\xba\xbe'


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

    @property
    def cipher(self) -> tuple[str, str, str]:
        """All of what turns a sector into another."""
        return self.cipher_alg, self.cipher_mode, self.ivgen_alg


class Key:
    """A passphrase that programs can read and nobody else.

    :param encryption: what it is for
    :param descriptor: of a file in memory
    """

    def __init__(self, encryption: Encryption, descriptor: int) -> None:
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

    def header(self, limits: confined.Limits) -> bytes:
        """The header of a new container.

        :raises confined.Failed: when qemu-img cannot make such a container
        """
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._header(limits)
            except confined.Failed as error:
                if 'CPU usage' not in str(error):
                    raise
                LOG.debug('Making a LUKS header once more: %s', error)
        return self._header(limits)

    def _header(self, limits: confined.Limits) -> bytes:
        with memfd.file('luks.header') as file:
            confined.run(
                ['qemu-img', 'create', '-q', '-f', 'luks', *self.arguments,
                 '-o', header_options(self._encryption), memfd.path(file),
                 '0'],
                limits, (self._descriptor, file))
            begin = _BEGIN.unpack(os.pread(file, _BEGIN.size, 0))
            return os.pread(file, begin[5] * _SECTOR, 0)


@contextlib.contextmanager
def key(encryption: Encryption) -> Iterator[Key]:
    """Hand a passphrase to programs, in memory."""
    with memfd.file('luks.key', encryption.passphrase.encode()) as file:
        yield Key(encryption, file)


def header_in(data: bytes, encryption: Encryption) -> bytes | None:
    """The header at the begin of a container, if it has the encryption.

    Whether the passphrase opens it, only trying tells.

    :param data: the container, or its first MiB
    """
    if len(data) < _BEGIN.size:
        return None
    (magic, version, name, mode, _, payload,
     key_bytes) = _BEGIN.unpack_from(data)
    length = payload * _SECTOR
    if (magic, version) != (_MAGIC, 1) or length > len(data):
        return None
    if _cipher(name, mode, key_bytes) != encryption.cipher:
        return None
    return data[:length]


def _cipher(name: bytes, mode: bytes, key_bytes: int) -> tuple[str, str, str]:
    """As :attr:`Encryption.cipher`; XTS takes two keys."""
    chaining, _, ivgen = mode.rstrip(b'\0').decode('latin-1').partition('-')
    bits = key_bytes * 8 // (2 if chaining == 'xts' else 1)
    cipher = name.rstrip(b'\0').decode('latin-1')
    return f'{cipher}-{bits}', chaining, ivgen


def header_options(encryption: Encryption) -> str:
    """What qemu-img is told of a new container."""
    ivgen, _, ivgen_hash = encryption.ivgen_alg.partition(':')
    options = {'key-secret': 'luks', 'cipher-alg': encryption.cipher_alg,
               'cipher-mode': encryption.cipher_mode, 'ivgen-alg': ivgen,
               'iter-time': str(_iter_time(encryption))}
    if ivgen_hash:
        options['ivgen-hash-alg'] = ivgen_hash
    return ','.join(f'{name}={value}' for name, value in options.items())


def _iter_time(encryption: Encryption) -> int:
    """What qemu is told, so that a derivation takes as long as it may.

    SHA-256 yields 32 bytes at a time.  For more, which are the two keys of
    XTS unless they have 128 bits, qemu derives twice, and allows the time for
    each; cryptsetup allows it for both together.  More would protect no
    better, as the passphrase is a random key, and delay each server's start.
    """
    twice = (encryption.cipher_mode == 'xts'
             and not encryption.cipher_alg.endswith('-128'))
    return _DERIVATION_MS // (2 if twice else 1)
