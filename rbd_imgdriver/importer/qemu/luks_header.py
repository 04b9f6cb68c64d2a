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
"""Headers of LUKS 1 containers: read purely, made by cryptsetup.

A header says how the payload is encrypted and keeps its master key in key
slots, each of which one passphrase opens (LUKS On-Disk Format Specification
1.2.3).  Headers are made and changed by cryptsetup, in memory: the master key
itself never leaves that program.
"""

from collections.abc import Sequence
import dataclasses
import hashlib
import os
import shutil
import struct
import uuid

from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import memfd

SECTOR = 512

# The first sector of the payload, as qemu-img has it for two keys of 256 bits,
# the longest: volumes hold as much as those that Cinder's driver makes.
PAYLOAD_SECTOR = 4040

# Magic, version, cipher, mode, hash, first sector of the payload, bytes of
# the master key; its digest with salt and iterations; the container's UUID.
_FIELDS = struct.Struct('>6sH32s32s32sII20s32sI40s')
_UUID = struct.Struct('40s')
_UUID_OFFSET = _FIELDS.size - _UUID.size
_MAGIC = b'LUKS\xba\xbe'

# Where Debian and others keep it; root's programs are not in every PATH.
_PATH = '/usr/sbin:/sbin:/usr/bin:/bin'


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
        """All that turns one sector into another."""
        return self.cipher_alg, self.cipher_mode, self.ivgen_alg


@dataclasses.dataclass(frozen=True)
class Header:
    """What a header says of its container.

    :param cipher: see :attr:`Encryption.cipher`
    :param length: bytes of the header: where the payload begins
    :param fingerprint: of the payload's encryption.  Headers with the same
        one open the same payload: the salted digest of the master key, which
        cryptsetup and qemu check a key against before they use it, is part
        of it.  It reveals nothing of the key to those who do not have it
    """

    cipher: tuple[str, str, str]
    length: int
    fingerprint: str


def parse(data: bytes) -> Header | None:
    """The header at the beginning of a container; None when there is none.

    :param data: the container, or its first bytes
    """
    if len(data) < _FIELDS.size:
        return None
    (magic, version, name, mode, hashed, payload, key_bytes, digest, salt,
     iterations, _) = _FIELDS.unpack_from(data)
    if (magic, version) != (_MAGIC, 1):
        return None
    identity = repr((name, mode, hashed, payload, key_bytes, digest, salt,
                     iterations)).encode()
    return Header(_cipher(name, mode, key_bytes), payload * SECTOR,
                  hashlib.sha256(identity).hexdigest())


def in_container(data: bytes, encryption: Encryption) -> bytes | None:
    """The header at the beginning of a container of that encryption.

    Whether the passphrase opens it, only an attempt shows.

    :param data: the container, or its first MiB
    """
    header = parse(data)
    if (header is None or header.length > len(data)
            or header.cipher != encryption.cipher):
        return None
    return data[:header.length]


def _cipher(name: bytes, mode: bytes, key_bytes: int) -> tuple[str, str, str]:
    """As :attr:`Encryption.cipher`; XTS takes two keys."""
    chaining, _, ivgen = mode.rstrip(b'\0').decode('latin-1').partition('-')
    bits = key_bytes * 8 // (2 if chaining == 'xts' else 1)
    cipher = name.rstrip(b'\0').decode('latin-1')
    return f'{cipher}-{bits}', chaining, ivgen


def program() -> str:
    """The path of cryptsetup.

    :raises confined.Failed: when it is not installed
    """
    found = shutil.which('cryptsetup', path=_PATH)
    if found is None:
        raise confined.Failed(
            'cryptsetup is not installed on this host, and encrypted volumes '
            'need it; its Debian package is cryptsetup-bin')
    return found


def format_arguments(encryption: Encryption, iterations: int) -> list[str]:
    """What ``cryptsetup luksFormat`` needs to know: a pure function.

    :param iterations: of the key's derivation
    :raises confined.Failed: when the cipher has no key size
    """
    name, _, bits = encryption.cipher_alg.rpartition('-')
    if not bits.isdigit():
        raise confined.Failed(
            f'{encryption.cipher_alg} does not name a cipher and its key size')
    keys = 2 if encryption.cipher_mode == 'xts' else 1
    return [
        'luksFormat', '--batch-mode', '--type', 'luks1', '--hash', 'sha256',
        '--cipher', f'{name}-{encryption.cipher_mode}-{encryption.ivgen_alg}',
        '--key-size', str(int(bits) * keys),
        '--offset', str(PAYLOAD_SECTOR), *_derivation(iterations)]


def make(encryption: Encryption, key: int, iterations: int,
         limits: confined.Limits) -> bytes:
    """The header of a new container, around a random master key.

    :param key: descriptor of the passphrase
    :param iterations: of the key's derivation; cryptsetup wants 1,000
    :raises confined.Failed: when cryptsetup cannot make such a container
    """
    blank = bytes(PAYLOAD_SECTOR * SECTOR)
    return _changed(
        blank, [program(), *format_arguments(encryption, iterations),
                '--key-file', memfd.path(key)], [], [key], limits)


def rekeyed(header: bytes, old: int, new: int, iterations: int,
            limits: confined.Limits) -> bytes:
    """A header of the same master key that opens with another passphrase.

    The old one does not open it any more, and it has a UUID of its own.

    :param header: one that ``old`` opens
    :param old: descriptor of a passphrase
    :param new: likewise
    :raises confined.Failed: when ``old`` does not open it
    """
    changed = _changed(
        header, [program(), 'luksChangeKey', '--batch-mode', '--type',
                 'luks1', *_derivation(iterations), '--key-file',
                 memfd.path(old)], [memfd.path(new)], [old, new], limits)
    named = str(uuid.uuid4()).encode()
    return b''.join((changed[:_UUID_OFFSET], _UUID.pack(named),
                     changed[_UUID_OFFSET + _UUID.size:]))


def _derivation(iterations: int) -> list[str]:
    return ['--pbkdf-force-iterations', str(iterations)]


def _changed(header: bytes, before: Sequence[str], after: Sequence[str],
             keys: Sequence[int], limits: confined.Limits) -> bytes:
    """Let cryptsetup change a header in memory, named between arguments."""
    with memfd.file('luks.header', header) as file:
        confined.let_use(file, limits.user)
        confined.run([*before, memfd.path(file), *after], limits,
                     (*keys, file))
        return os.pread(file, len(header), 0)
