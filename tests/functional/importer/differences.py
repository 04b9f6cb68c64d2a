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
"""Images that two readers read differently, or that name another file.

Each was made by hand from what oslo.utils' inspectors, qemu's block drivers
and the formats' specifications say of the same bytes.  None may be imported,
and none may make anybody open the file that it names.
"""

from collections.abc import Callable
from collections.abc import Iterator
import pathlib
import struct
import uuid

from tests.functional.importer import hostile

Originals = dict[str, bytes]
Make = Callable[[Originals, pathlib.Path], bytes]


def corpus() -> list[hostile.Hostile]:
    """All of them."""
    return [*_vmdk_texts(), *_vmdk_headers(), *_vmdk_inside(), *_qcow2(),
            *_vhdx(), *_vdi(), *_vhd(), *_qed(), *_ploop(), *_hybrids()]


def _one(name: str, declared: str, make: Make) -> hostile.Hostile:
    return hostile.Hostile(f'difference-{name}', declared, make)


def _patches(original: str, offset: int, form: str, *values: int) -> Make:
    """An original with a few of its numbers changed."""
    def make(originals: Originals, _: pathlib.Path) -> bytes:
        return hostile.patched(originals[original],
                               (offset, struct.pack(form, *values)))

    return make


def _text(secret: object, *, extent: str = 'RW 2048 FLAT "{}" 0\n',
          kind: str = 'createType="monolithicFlat"\n', before: str = '',
          begin: str = '# Disk DescriptorFile\n') -> bytes:
    return (f'{begin}version=1\nCID=12345678\nparentCID=ffffffff\n{before}'
            f'{kind}{extent.format(secret)}ddb.adapterType = "ide"\n').encode()


def descriptor(name: object = 'disk-flat.vmdk') -> bytes:
    """A VMDK without data: the text that names the file that has it."""
    return _text(name)


_FOOLED = 'CREATETYPE="monolithicSparse"\nNOACCESS 0 ZERO\n'
_TABS = 'RW\t2048\t{kind}\t"{{}}"{offset}\t=\n'
_EXTENTS = {'flat': _TABS.format(kind='FLAT', offset='\t0'),
            'sparse': _TABS.format(kind='SPARSE', offset='')}


def _vmdk_texts() -> Iterator[hostile.Hostile]:
    """Descriptors that stand alone: qemu follows their extents."""
    for name, extent in _EXTENTS.items():
        yield _one(f'tabs-{name}', 'vmdk', lambda _, secret, extent=extent:
                   _text(secret, before=_FOOLED, extent=extent))
        yield _one(f'behind-{name}', 'vmdk', lambda _, secret, extent=extent:
                   _text(secret, before=_FOOLED + ('#' * 79 + '\n') * 60,
                         extent=extent))
    plain = {'before': _FOOLED}
    for name, words in {
            'lower-case': {'kind': 'createtype="monolithicFlat"\n'},
            'unquoted': {'kind': 'createType=monolithicFlat\n'},
            'spaces': {'kind': 'createType = "monolithicFlat"\n'},
            'twice': {'before': 'createType="monolithicSparse"\n'},
            'carriage-returns': {'extent': '#\rRW 2048 FLAT "{}" 0\r\n'},
            'byte-order-mark': {'begin': '\ufeff# Disk DescriptorFile\n'},
            'no-comment': {'begin': 'version=1\n'},
            'other-comment': {'begin': '# \n'},
            'vmfs': {'extent': 'RW 2048 VMFS "{}" 0\n'},
            'vmfs-sparse': {'extent': 'RW 2048 VMFSSPARSE "{}"\n'},
            'read-only': {'extent': 'RDONLY 2048 FLAT "{}" 0\n'},
            'two-extents': {'extent': 'RW 1 SPARSE "self.vmdk"\n'
                                      'RW 2048 FLAT "{}" 0\n'},
            'protocol': {'extent': 'RW 2048 FLAT "file:{}" 0\n'},
            'descriptor-of-fd': {'extent': 'RW 2048 FLAT "/dev/fd/9" 0\n'},
    }.items():
        yield _one(f'text-{name}', 'vmdk', lambda _, secret, words=words:
                   _text(secret, **{**plain, **words}))


def _sparse(text: bytes, *, capacity: int = 2048, version: int = 1,
            offset: int = 1, size: int = 20, magic: bytes = b'KDMV',
            grain: int = 128, directory: int = 21) -> bytes:
    head = struct.pack('<4sIIQQQQIQQ', magic, version, 3, capacity, grain,
                       offset, size, 512, directory, directory)
    head = (head + b'\0' * 9 + b'\n \r\n' + b'\0\0').ljust(512, b'\0')
    return (head + bytes(512 * max(offset - 1, 0))
            + text.ljust(20 * 512, b'\0') + bytes(65536))


def _vmdk_headers() -> Iterator[hostile.Hostile]:
    """Binary headers behind which qemu goes back to the text."""
    for name, extent in _EXTENTS.items():
        yield _one(f'no-capacity-{name}', 'vmdk', lambda _, secret,
                   extent=extent: _sparse(_text(
                       secret, before=_FOOLED, extent=extent), capacity=0))
    for name, words in {
            'magic-of-esx': {'magic': b'COWD', 'capacity': 0},
            'magic-of-sesparse': {'magic': b'\xbe\xba\xfe\xca'},
            'version-4': {'version': 4, 'capacity': 0},
            'descriptor-later': {'offset': 2, 'capacity': 0},
            'descriptor-nowhere': {'offset': 0},
            'descriptor-of-no-size': {'size': 0},
            'grain-of-a-gib': {'grain': 2**21},
            'directory-of-2-gib': {'capacity': 2**52, 'grain': 8},
            'capacity-of-all-bits': {'capacity': 2**64 - 1}}.items():
        yield _one(name, 'vmdk', lambda _, secret, words=words: _sparse(
            _text(secret), **words))

    def footer(originals: Originals, secret: pathlib.Path) -> bytes:
        image = _sparse(_fine(), directory=2**64 - 1)
        other = _sparse(_text(secret), capacity=0)[:512]
        return (image + struct.pack('<QII496s', 1, 0, 3, b'') + other
                + bytes(512))

    yield _one('footer-of-no-capacity', 'vmdk', footer)


def _fine(more: str = '', **words: str) -> bytes:
    return _text('', kind='createType="monolithicSparse"\n',
                 extent=f'RW 2048 SPARSE "disk.vmdk"\n{more}', **words)


def _vmdk_inside() -> Iterator[hostile.Hostile]:
    """Sparse extents whose descriptor says more than it may."""
    for name, more in {
            'hint': 'parentFileNameHint="{}"\n',
            'change-track': 'changeTrackPath="{}"\n',
            'second-extent': 'RW 2048 FLAT "{}" 0\n',
            'second-type': 'createType="monolithicFlat"\n',
            'extent-in-a-value': 'encoding="\rRW 2048 FLAT {} 0"\n',
            'form-feed': '\fRW 2048 FLAT "{}" 0\n'}.items():
        yield _one(f'inside-{name}', 'vmdk', lambda _, secret, more=more:
                   _sparse(_fine(more.format(secret))))
    for name, extent in {
            'absolute': 'RW 2048 SPARSE "{}"\n',
            'json': 'RW 2048 SPARSE "json:{{}}"\n',
            'up': 'RW 2048 SPARSE "../secret"\n'}.items():
        yield _one(f'inside-extent-{name}', 'vmdk', lambda _, secret,
                   extent=extent: _sparse(_text(
                       secret, kind='createType="monolithicSparse"\n',
                       extent=extent)))
    yield _one('inside-of-a-chain', 'vmdk', lambda _, secret: _sparse(
        _fine(f'parentFileNameHint="{secret}"\n').replace(
            b'ffffffff', b'12345678')))
    yield _one('inside-behind-its-end', 'vmdk', lambda _, secret: _sparse(
        _fine() + b'\0' + _text(secret)))


def _extension(kind: int, data: bytes) -> bytes:
    return struct.pack('>II', kind, len(data)) + data + bytes(-len(data) % 8)


def _qcow2() -> Iterator[hostile.Hostile]:
    for name, kind, text in (
            ('data-file', 0x44415441, '{}'), ('backing', 0xe2792aca, 'raw'),
            ('encryption', 0x0537be77, 'x' * 16),
            ('unknown', 0x12345678, '{}')):
        def extended(originals: Originals, secret: pathlib.Path,
                     kind: int = kind, text: str = text) -> bytes:
            data = _extension(kind, text.format(secret).encode())
            return hostile.patched(originals['qcow2'],
                                   (112, data + bytes(8)))

        yield _one(f'extension-{name}', 'qcow2', extended)
    yield _one('extension-without-end', 'qcow2',
               _patches('qcow2', 112, '>II', 0x6803f857, 2**32 - 1))
    yield _one('raw-data-file', 'qcow2', _patches('qcow2', 88, '>Q', 2))
    yield _one('corrupt', 'qcow2', _patches('qcow2', 72, '>Q', 2))
    yield _one('backing-without-a-name', 'qcow2',
               _patches('qcow2', 8, '>Q', 512))
    yield _one('name-without-a-place', 'qcow2',
               _patches('qcow2', 16, '>I', 12))
    yield _one('long-header', 'qcow2', _patches('qcow2', 100, '>I', 4096))

    def first(originals: Originals, secret: pathlib.Path) -> bytes:
        name = str(secret).encode()
        head = struct.pack('>4sIQIIQBBHIQ', b'QFI\xfb', 1, 512, len(name), 0,
                           2**20, 12, 9, 0, 0, 2048)
        return hostile.patched(head.ljust(65536, b'\0'), (512, name))

    def second(originals: Originals, secret: pathlib.Path) -> bytes:
        name = str(secret).encode()
        return hostile.patched(
            originals['qcow2'], (4, struct.pack('>IQI', 2, 1024, len(name))),
            (72, bytes(40)), (1024, name))

    yield _one('first-version', 'qcow2', first)
    yield _one('second-version', 'qcow2', second)


_REGIONS = 192 * 1024
_PARENT = uuid.UUID('A8D35F2D-B30B-454D-ABF7-D3D84834AB0C').bytes_le
_PARAMETERS = uuid.UUID('CAA16737-FA36-4D43-B3B6-33F0AA44E76B').bytes_le
_METADATA = uuid.UUID('8B7CA206-4790-4B9A-B8FE-575F050F886E').bytes_le
_BLOCKS = uuid.UUID('2DC27766-F623-4200-9D64-115E9BFD4A08').bytes_le


def _regions(data: bytes, *more: tuple[bytes, int]) -> bytes:
    """The same VHDX with more regions, and the checksum that it then has."""
    (count,) = struct.unpack_from('<I', data, _REGIONS + 8)
    at = _REGIONS + 16 + 32 * count
    changed = bytearray(hostile.patched(data, (_REGIONS + 8, struct.pack(
        '<I', count + len(more)))))
    for name, length in more:
        changed[at:at + 32] = struct.pack('<16sQII', name, 2**20, length, 1)
        at += 32
    table = changed[_REGIONS:_REGIONS + 65536]
    table[4:8] = bytes(4)
    changed[_REGIONS + 4:_REGIONS + 8] = struct.pack('<I', crc32c(table))
    return bytes(changed)


def crc32c(data: bytes) -> int:
    """The checksum of VHDX's structures (RFC 3720, appendix B.4)."""
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def _crc_of(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)
    return byte


_CRC = [_crc_of(byte) for byte in range(256)]


def _metadata(data: bytes) -> int:
    """Where a VHDX's metadata is."""
    return data.index(b'metadata', 2**20)


def with_locator(data: bytes, name: object) -> bytes:
    """The same VHDX with the place of a parent."""
    table = _metadata(data)
    (count,) = struct.unpack_from('<H', data, table + 10)
    words = f'absolute_win32_path={name}'.encode('utf-16-le')
    item = struct.pack('<16sIIII', _PARENT, 131072, len(words), 4, 0)
    return hostile.patched(
        data, (table + 10, struct.pack('<H', (count + 1) % 2**16)),
        (table + 32 + 32 * count, item), (table + 131072, words))


def _vhdx() -> Iterator[hostile.Hostile]:
    def bits(originals: Originals, _: pathlib.Path, value: int = 2,
             ) -> bytes:
        data = originals['vhdx']
        table = _metadata(data)
        at = data.index(_PARAMETERS, table)
        (offset,) = struct.unpack_from('<I', data, at + 16)
        return hostile.patched(data, (table + offset + 4,
                                      struct.pack('<I', value)))

    yield _one('parent-locator', 'vhdx', lambda originals, secret:
               with_locator(originals['vhdx'], secret))
    yield _one('parent-bit', 'vhdx', bits)
    yield _one('second-metadata', 'vhdx', lambda originals, _: _regions(
        originals['vhdx'], (_METADATA, 2**20)))
    yield _one('second-table', 'vhdx', lambda originals, _: _regions(
        originals['vhdx'], (_BLOCKS, 2**20)))
    yield _one('unknown-region', 'vhdx', lambda originals, _: _regions(
        originals['vhdx'], (b'x' * 16, 2**20)))

    def huge(originals: Originals, _: pathlib.Path) -> bytes:
        data = originals['vhdx']
        at = data.index(_BLOCKS, _REGIONS)
        return _regions(hostile.patched(
            data, (at + 24, struct.pack('<I', 0xfff00000))))

    yield _one('table-of-4-gib', 'vhdx', huge)


def _vdi() -> Iterator[hostile.Hostile]:
    yield _one('difference', 'vdi', _patches('vdi', 76, '<I', 4))
    yield _one('undo', 'vdi', _patches('vdi', 76, '<I', 3))
    yield _one('parent', 'vdi', _patches('vdi', 440, '<Q', 1))
    yield _one('version', 'vdi', _patches('vdi', 68, '<I', 0x20000))
    yield _one('blocks-of-2-gib', 'vdi', _patches('vdi', 384, '<I', 2**29))
    yield _one('disk-of-512-tib', 'vdi', _patches(
        'vdi', 368, '<QIIII', 2**49, 2**20, 0, 2**29, 0))
    yield _one('table-in-the-data', 'vdi', _patches('vdi', 344, '<I', 0))


def _vhd() -> Iterator[hostile.Hostile]:
    yield _one('parent-name', 'vhd', lambda originals, secret:
               hostile.patched(originals['vhd'], (
                   512 + 64, str(secret).encode('utf-16-be'))))
    yield _one('parent-place', 'vhd', lambda originals, secret:
               hostile.patched(originals['vhd'], (
                   512 + 576, b'W2ku' + struct.pack('>IIIQ', 512, 200, 0,
                                                    65536))))
    yield _one('fixed-at-the-begin', 'vhd', _patches('vhd', 60, '>I', 2))
    yield _one('header-elsewhere', 'vhd', _patches('vhd', 16, '>Q', 1024))
    yield _one('table-of-2-gib', 'vhd', _patches('vhd', 512 + 28, '>I',
                                                 2**29 - 1))
    yield _one('fixed-and-dynamic', 'vhd', lambda originals, _:
               originals['vhd'] + originals['vhd-fixed'][-512:])


def _qed() -> Iterator[hostile.Hostile]:
    yield _one('compatible-feature', 'qed', _patches('qed', 24, '<Q', 1))
    yield _one('tables-of-a-gib', 'qed', _patches('qed', 4, '<II', 2**26, 16))


def _ploop() -> Iterator[hostile.Hostile]:
    yield _one('extension', 'ploop', _patches('ploop', 56, '<Q', 2048))
    yield _one('table-of-2-gib', 'ploop', _patches('ploop', 32, '<I',
                                                   2**29 - 1))


def _hybrids() -> Iterator[hostile.Hostile]:
    """File systems of a CD in front of which another format begins."""
    def with_disc(data: bytes) -> bytes:
        return hostile.patched(data.ljust(2**17, b'\0'),
                               (32768, b'\x01CD001\x01'))

    for name, make in {
            'text': lambda originals, secret: _text(secret),
            'fooled-text': lambda originals, secret: _text(
                secret, before=_FOOLED, extent=_EXTENTS['flat']),
            'no-capacity': lambda originals, secret: _sparse(
                _text(secret), capacity=0)}.items():
        yield _one(f'{name}-and-disc', 'vmdk',
                   lambda originals, secret, make=make: with_disc(
                       make(originals, secret)))
    for name in ('qcow2', 'vdi', 'qed'):
        yield _one(f'disc-and-{name}', 'iso', lambda originals, _, name=name:
                   with_disc(originals[name]))
