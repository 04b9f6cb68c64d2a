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
"""Images made to do harm, or broken: the corpus of test_hostile.py.

Each is the work of a few bytes on an image that qemu-img made.  Offsets are
those of the formats' specifications (qemu's docs/interop/qcow2.txt,
block/*.c).
"""

from collections.abc import Callable
from collections.abc import Iterator
import dataclasses
import gzip
import json
import pathlib
import random
import struct
import zlib

# What qemu-img makes the originals with, by Glance's disk format.
ORIGINALS = {
    'qcow2': ('qcow2', ''),
    'vmdk': ('vmdk', 'subformat=monolithicSparse'),
    'vmdk-stream': ('vmdk', 'subformat=streamOptimized'),
    'vdi': ('vdi', ''),
    'vhd': ('vpc', 'force_size=on'),
    'vhd-fixed': ('vpc', 'subformat=fixed,force_size=on'),
    'vhdx': ('vhdx', ''),
    'qed': ('qed', ''),
    'ploop': ('parallels', ''),
}


@dataclasses.dataclass(frozen=True)
class Hostile:
    """One image of the corpus.

    :param declared: the disk format that Glance says
    :param make: from the originals by their keys, and the path of a file
        that must not be read, to the image
    :param refused: whether nothing but a refusal is right
    """

    name: str
    declared: str
    make: Callable[[dict[str, bytes], pathlib.Path], bytes]
    refused: bool = True
    container: str = 'bare'

    def __str__(self) -> str:
        return f'{self.declared}-{self.name}'


def corpus() -> list[Hostile]:
    """All of them."""
    return [*_cut_short(), *_flipped(), *_scrambled(), *_mislabelled(),
            *_pointing(), *_vmdk_descriptors(), *_absurd(), *_polyglots(),
            *_compressed()]


def patched(data: bytes, *patches: tuple[int, bytes]) -> bytes:
    """The same data with some bytes replaced."""
    changed = bytearray(data)
    for offset, new in patches:
        if offset < 0:
            offset += len(data)
        changed[offset:offset + len(new)] = new
    return bytes(changed)


def with_footer(vmdk: bytes) -> bytes:
    """A stream-optimised VMDK as VMware writes it: its tables at the end.

    The header says so, and a second header behind a marker has the place.
    """
    header = vmdk[:512]
    marker = struct.pack('<QII496s', 1, 0, 3, b'')
    return (patched(vmdk, (56, b'\xff' * 8)) + marker + header + bytes(512))


def _declared(key: str) -> str:
    return key.partition('-')[0]


def _cut_short() -> Iterator[Hostile]:
    """Glance's idea of size and hash fit: only the format can tell."""
    for key in ORIGINALS:
        for per_mille in (0, 1, 10, 200, 500, 900, 999):
            def make(originals: dict[str, bytes], _: pathlib.Path,
                     key: str = key, part: int = per_mille) -> bytes:
                return originals[key][:len(originals[key]) * part // 1000]

            # qemu reads zeros behind the end, so most of them pass.
            yield Hostile(f'{key}-cut-at-{per_mille}', _declared(key), make,
                          refused=per_mille == 0)


def _flipped() -> Iterator[Hostile]:
    """Single bits in the headers; many are harmless, some are not."""
    for key in ORIGINALS:
        for seed in range(6):
            def make(originals: dict[str, bytes], _: pathlib.Path,
                     key: str = key, seed: int = seed) -> bytes:
                data = bytearray(originals[key])
                chance = random.Random(seed)
                for _ in range(1 + seed):
                    at = chance.randrange(min(len(data), 1024))
                    data[at] ^= 1 << chance.randrange(8)
                return bytes(data)

            yield Hostile(f'{key}-flipped-{seed}', _declared(key), make,
                          refused=False)


def _scrambled() -> Iterator[Hostile]:
    """Whole stretches of the tables behind the header."""
    for key in ORIGINALS:
        for seed in range(3):
            def make(originals: dict[str, bytes], _: pathlib.Path,
                     key: str = key, seed: int = seed) -> bytes:
                data = originals[key]
                chance = random.Random(seed)
                start = chance.randrange(512, max(513, len(data) // 2))
                return patched(data, (start, chance.randbytes(
                    min(4096, len(data) - start))))

            yield Hostile(f'{key}-scrambled-{seed}', _declared(key), make,
                          refused=False)


def _mislabelled() -> Iterator[Hostile]:
    """One format under the name of another."""
    for key in ORIGINALS:
        for declared in ('raw', 'iso', *dict.fromkeys(
                map(_declared, ORIGINALS))):
            if declared == _declared(key):
                continue
            if key == 'vhd-fixed' and declared in ('raw', 'iso'):
                continue  # which it is, with a footer
            yield Hostile(f'is-{key}', declared,
                          lambda originals, _, key=key: originals[key])


def _places(secret: pathlib.Path) -> list[str]:
    return [
        str(secret),
        f'file:{secret}',
        f'file://{secret}',
        f'nbd:unix:{secret}',
        f'../../../../../../../../../..{secret}',
        '/etc/passwd',
        '/dev/zero',
        '/proc/self/environ',
        'rbd:volumes/volume-other',
        'http://127.0.0.1:1/secret',
        'fat:/etc',
        'json:' + json.dumps({'driver': 'raw', 'file': {
            'driver': 'file', 'filename': str(secret)}}),
        'json:' + json.dumps({'driver': 'qcow2', 'file': {
            'driver': 'raw', 'file': {'driver': 'file',
                                      'filename': str(secret)}}}),
        'json:{"driver":"null-co","size":"1T"}',
        'json:{"driver":"nvme","device":"0000:00:00.0","namespace":1}',
        'x' * 1023,
    ]


_SOME = pathlib.Path('/some')


def _pointing() -> Iterator[Hostile]:
    """Formats that may name another file, naming one."""
    for number in range(len(_places(_SOME))):
        def backing(originals: dict[str, bytes], secret: pathlib.Path,
                    number: int = number) -> bytes:
            name = _places(secret)[number].encode()
            return patched(
                originals['qcow2'], (8, struct.pack('>QI', 1024, len(name))),
                (1024, name))

        def data_file(originals: dict[str, bytes], secret: pathlib.Path,
                      number: int = number) -> bytes:
            name = _places(secret)[number].encode()
            padded = name + bytes(-len(name) % 8)
            extension = struct.pack('>II', 0x44415441, len(name)) + padded
            return patched(
                originals['qcow2'], (72, struct.pack('>Q', 4)),
                (104, extension + bytes(8)))

        def qed(originals: dict[str, bytes], secret: pathlib.Path,
                number: int = number) -> bytes:
            name = _places(secret)[number].encode()
            return patched(
                originals['qed'], (16, struct.pack('<Q', 1)),
                (56, struct.pack('<II', 1024, len(name))), (1024, name))

        yield Hostile(f'backing-{number}', 'qcow2', backing)
        yield Hostile(f'data-file-{number}', 'qcow2', data_file)
        yield Hostile(f'backing-{number}', 'qed', qed)
        yield Hostile(f'is-qcow2-with-backing-{number}', 'raw', backing)
    yield Hostile('differencing', 'vhd', lambda originals, _: patched(
        originals['vhd'], (60, struct.pack('>I', 4))))
    yield Hostile('qed-no-probe', 'qed', lambda originals, _: patched(
        originals['qed'], (16, struct.pack('<Q', 5))))
    yield Hostile('vdi-of-a-chain', 'vdi', lambda originals, _: patched(
        originals['vdi'], (424, b'\x01' * 32)))
    yield Hostile('encrypted-aes', 'qcow2', lambda originals, _: patched(
        originals['qcow2'], (32, struct.pack('>I', 1))))
    yield Hostile('encrypted-luks', 'qcow2', lambda originals, _: patched(
        originals['qcow2'], (32, struct.pack('>I', 2))))
    for bit in range(4, 64, 7):
        yield Hostile(f'feature-{bit}', 'qcow2', lambda originals, _, bit=bit:
                      patched(originals['qcow2'],
                              (72, struct.pack('>Q', 1 << bit))))


def _descriptor(*extents: str, kind: str = 'monolithicFlat',
                more: str = '') -> bytes:
    lines = ['# Disk DescriptorFile', 'version=1', 'CID=12345678',
             'parentCID=ffffffff', f'createType="{kind}"', more, *extents,
             'ddb.adapterType = "ide"', 'ddb.geometry.cylinders = "2"',
             'ddb.geometry.heads = "16"', 'ddb.geometry.sectors = "63"', '']
    return '\n'.join(lines).encode()


def _vmdk_descriptors() -> Iterator[Hostile]:
    """VMDKs that take their data from elsewhere (CVE-2022-47951)."""
    for kind in ('monolithicFlat', 'vmfs', 'vmfsSparse', 'twoGbMaxExtentFlat',
                 'twoGbMaxExtentSparse', 'fullDevice', 'custom',
                 'monolithicSparse', 'streamOptimized', 'nonsense', ''):
        for access in ('FLAT', 'SPARSE'):
            def text(_: dict[str, bytes], secret: pathlib.Path,
                     kind: str = kind, access: str = access) -> bytes:
                return _descriptor(f'RW 2048 {access} "{secret}" 0',
                                   kind=kind)

            def inside(originals: dict[str, bytes], secret: pathlib.Path,
                       kind: str = kind, access: str = access) -> bytes:
                words = _descriptor(f'RW 2048 {access} "{secret}" 0',
                                    kind=kind)
                return patched(originals['vmdk'],
                               (512, words.ljust(20 * 512, b'\0')))

            yield Hostile(f'text-{kind}-{access}', 'vmdk', text)
            yield Hostile(f'inside-{kind}-{access}', 'vmdk', inside)
            yield Hostile(f'vmdk-text-{kind}-{access}', 'raw', text,
                          refused=False)

    def parent(originals: dict[str, bytes], secret: pathlib.Path) -> bytes:
        words = _descriptor(
            'RW 2048 SPARSE "disk.vmdk"', kind='monolithicSparse',
            more=f'parentFileNameHint="{secret}"').replace(
                b'parentCID=ffffffff', b'parentCID=12345678')
        return patched(originals['vmdk'],
                       (512, words.ljust(20 * 512, b'\0')))

    # qemu's "backing": null is what keeps it from the parent.
    yield Hostile('parent-hint', 'vmdk', parent, refused=False)
    for name, offset, new in (
            ('endless-footers', 56, b'\xff' * 8), ('descriptor', 28, b'\x09'),
            ('version', 4, b'\x02'), ('magic', 0, b'NO'),
            ('no-marker', -512 + 12, b'\0'), ('no-end', 512, b'\x01')):
        yield Hostile(f'footer-{name}', 'vmdk',
                      lambda originals, _, offset=offset, new=new: patched(
                          with_footer(originals['vmdk-stream']),
                          (-1024 + offset, new)))


def _absurd() -> Iterator[Hostile]:
    """Numbers that no disk has."""
    most = 2**64 - 1
    fields = [
        ('qcow2', 'version', 4, '>I', (0, 1, 4, 2**32 - 1)),
        ('qcow2', 'cluster-bits', 20, '>I', (0, 8, 22, 63, 2**32 - 1)),
        ('qcow2', 'size', 24, '>Q', (2**40, 2**62, 2**63 - 1, most)),
        ('qcow2', 'l1-size', 36, '>I', (2**25, 2**31, 2**32 - 1)),
        ('qcow2', 'l1-offset', 40, '>Q', (1, 2**62, most)),
        ('qcow2', 'refcounts', 48, '>Q', (1, 2**62, most)),
        ('qcow2', 'refcount-clusters', 56, '>I', (0, 2**32 - 1)),
        ('qcow2', 'snapshots', 60, '>I', (1, 65536, 2**32 - 1)),
        ('qcow2', 'refcount-order', 96, '>I', (7, 2**32 - 1)),
        ('qcow2', 'header-length', 100, '>I', (0, 71, 2**32 - 1)),
        ('vmdk', 'capacity', 12, '<Q', (2**40, 2**55, most)),
        ('vmdk', 'grain', 20, '<Q', (0, 1, 2**40, most)),
        ('vmdk', 'descriptor-offset', 28, '<Q', (0, 2**40, most)),
        ('vmdk', 'descriptor-size', 36, '<Q', (0, 2**40, most)),
        ('vmdk', 'tables', 44, '<I', (0, 2**32 - 1)),
        ('vmdk', 'directory', 56, '<Q', (0, 2**40, most)),
        ('vdi', 'size', 368, '<Q', (2**50, 2**63, most)),
        ('vdi', 'block-size', 376, '<I', (0, 1, 2**31)),
        ('vdi', 'blocks', 384, '<I', (0, 2**32 - 1)),
        ('vdi', 'map-offset', 340, '<I', (0, 2**32 - 1)),
        ('vhd', 'size', 48, '>Q', (2**50, most)),
        ('vhd', 'header-offset', 16, '>Q', (1, 2**62, most)),
        ('vhd', 'entries', 512 + 28, '>I', (0, 2**32 - 1)),
        ('vhd', 'block-size', 512 + 32, '>I', (0, 1, 2**32 - 1)),
        ('qed', 'cluster-size', 4, '<I', (0, 1, 2**31)),
        ('qed', 'table-size', 8, '<I', (0, 2**31)),
        ('qed', 'header-size', 12, '<I', (0, 2**32 - 1)),
        ('qed', 'l1-offset', 40, '<Q', (1, 2**62, most)),
        ('qed', 'size', 48, '<Q', (2**50, 2**63, most)),
        ('ploop', 'version', 16, '<I', (0, 3, 2**32 - 1)),
        ('ploop', 'tracks', 28, '<I', (0, 2**32 - 1)),
        ('ploop', 'entries', 32, '<I', (0, 2**32 - 1)),
        ('ploop', 'sectors', 36, '<Q', (2**40, most)),
        ('ploop', 'extension', 56, '<Q', (1, 2**62)),
        ('vhdx', 'region-count', 196608 + 8, '<I', (0, 2048, 2**32 - 1)),
        ('vhdx', 'region-offset', 196608 + 32, '<Q', (0, 2**62, most)),
        ('vhdx', 'header-1', 65536, '<I', (0,)),
    ]
    for key, field, offset, form, values in fields:
        for value in values:
            def make(originals: dict[str, bytes], _: pathlib.Path,
                     key: str = key, offset: int = offset, form: str = form,
                     value: int = value) -> bytes:
                return patched(originals[key],
                               (offset, struct.pack(form, value)))

            yield Hostile(f'{field}-{value:x}', key, make, refused=False)


def _polyglots() -> Iterator[Hostile]:
    """Data of which two readers see different things."""
    iso = (32768, b'\x01CD001')
    for key in ORIGINALS:
        def with_iso(originals: dict[str, bytes], _: pathlib.Path,
                     key: str = key) -> bytes:
            return patched(originals[key].ljust(2**17, b'\0'), iso)

        if key != 'vhd-fixed':
            yield Hostile(f'is-{key}-and-iso', 'iso', with_iso)
        if key in ('qcow2', 'vdi', 'ploop'):
            yield Hostile(f'{key}-and-iso', _declared(key), with_iso)
    yield Hostile('and-partitions', 'qcow2', lambda originals, _: patched(
        originals['qcow2'], (510, b'\x55\xaa')))
    yield Hostile('vdi-in-qcow2', 'qcow2', lambda originals, _: patched(
        originals['qcow2'], (64, struct.pack('<I', 0xbeda107f))))


def _compressed() -> Iterator[Hostile]:
    """gzip containers."""
    def bomb(_: dict[str, bytes], __: pathlib.Path) -> bytes:
        packer = zlib.compressobj(9, wbits=31)
        zeros = bytes(2**20)
        return b''.join(packer.compress(zeros) for _ in range(96)) + (
            packer.flush())

    def packed(originals: dict[str, bytes]) -> bytes:
        return gzip.compress(originals['qcow2'])

    for declared in ('raw', 'qcow2', 'vmdk', 'vhd'):
        yield Hostile('bomb', declared, bomb, container='compressed')
    yield Hostile('plain', 'qcow2', lambda originals, _: originals['qcow2'],
                  container='compressed')
    yield Hostile('empty', 'raw', lambda *_: b'', container='compressed')
    yield Hostile('one-byte', 'raw', lambda *_: b'\x1f',
                  container='compressed')
    yield Hostile('packed-qcow2', 'raw',
                  lambda originals, _: packed(originals),
                  container='compressed')
    yield Hostile('twice', 'qcow2',
                  lambda originals, _: gzip.compress(packed(originals)),
                  container='compressed')
    for part in (1, 10, 50, 90, 99):
        yield Hostile(
            f'gzip-cut-at-{part}', 'qcow2', lambda originals, _, part=part:
            packed(originals)[:len(packed(originals)) * part // 100],
            container='compressed')
    for seed in range(6):
        def flipped(originals: dict[str, bytes], _: pathlib.Path,
                    seed: int = seed) -> bytes:
            data = bytearray(packed(originals))
            data[random.Random(seed).randrange(12, len(data))] ^= 0x10
            return bytes(data)

        yield Hostile(f'gzip-flipped-{seed}', 'qcow2', flipped,
                      container='compressed')
    yield Hostile('garbage-behind', 'qcow2',
                  lambda originals, _: packed(originals) + b'garbage',
                  container='compressed')
