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
"""Originals of every format, and hostile images made of them at random.

A mutant is made of a seed and a number, by steps that know the formats:
fields of headers, entries of tables, lines of descriptors, names of other
files where a format has a place for them, parts of another image, and raw
flips of bits besides.  Offsets are those of the formats' specifications
(qemu's docs/interop/qcow2.txt, block/*.c).
"""

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
import gzip
import pathlib
import random
import struct
import subprocess

from sandbox import polling
from tests.functional.importer import differences
from tests.functional.importer import hostile

Originals = Mapping[str, bytes]
Step = Callable[['_Work'], None]

DISK = 2**20


@dataclasses.dataclass(frozen=True)
class Kind:
    """An original.

    :param declared: Glance's name of its format
    :param driver: qemu's name, '' for what qemu-img does not make
    :param options: for qemu-img
    """

    declared: str
    driver: str
    options: str = ''
    flags: tuple[str, ...] = ()


KINDS = {
    'qcow2': Kind('qcow2', 'qcow2'),
    'qcow2-v2': Kind('qcow2', 'qcow2', 'compat=0.10'),
    'qcow2-packed': Kind('qcow2', 'qcow2', '', ('-c',)),
    'qcow2-zstd': Kind('qcow2', 'qcow2', 'compression_type=zstd', ('-c',)),
    'qcow2-extended': Kind('qcow2', 'qcow2', 'extended_l2=on'),
    'qcow2-small': Kind('qcow2', 'qcow2', 'cluster_size=512'),
    'qcow2-snapshot': Kind('qcow2', 'qcow2'),
    'vmdk': Kind('vmdk', 'vmdk', 'subformat=monolithicSparse'),
    'vmdk-stream': Kind('vmdk', 'vmdk', 'subformat=streamOptimized'),
    'vmdk-footer': Kind('vmdk', 'vmdk', 'subformat=streamOptimized'),
    'vmdk-text': Kind('vmdk', ''),
    'vdi': Kind('vdi', 'vdi'),
    'vdi-fixed': Kind('vdi', 'vdi', 'static=on'),
    'vhd': Kind('vhd', 'vpc', 'force_size=on'),
    'vhd-fixed': Kind('vhd', 'vpc', 'subformat=fixed,force_size=on'),
    'vhdx': Kind('vhdx', 'vhdx'),
    'vhdx-fixed': Kind('vhdx', 'vhdx', 'subformat=fixed'),
    'qed': Kind('qed', 'qed'),
    'ploop': Kind('ploop', 'parallels'),
    'raw': Kind('raw', ''),
    'iso': Kind('iso', ''),
}


def originals(directory: pathlib.Path, raw: pathlib.Path) -> dict[str, bytes]:
    """A disk in every format.

    :param directory: for files
    :param raw: the disk
    """
    made = {}
    for name, kind in KINDS.items():
        path = directory / name
        if kind.driver:
            options = ['-o', kind.options] if kind.options else []
            subprocess.run(
                ['qemu-img', 'convert', '-f', 'raw', '-O', kind.driver,
                 *kind.flags, *options, raw, path], check=True)
        else:
            path.write_bytes(raw.read_bytes())
        if name == 'qcow2-snapshot':
            subprocess.run(['qemu-img', 'snapshot', '-c', 'one', path],
                           check=True)
        made[name] = path.read_bytes()
    made['vmdk-footer'] = hostile.with_footer(made['vmdk-stream'])
    made['vmdk-text'] = differences.descriptor()
    made['iso'] = hostile.patched(made['raw'], (32768, b'\x01CD001\x01'))
    return made


@dataclasses.dataclass(frozen=True)
class Targets:
    """What an image must not make anybody open or connect to.

    :param path: of a file
    :param port: of this host
    """

    path: pathlib.Path
    port: int

    @property
    def names(self) -> list[str]:
        """Ways to name them."""
        return [
            str(self.path), f'file:{self.path}', f'file://{self.path}',
            f'raw:{self.path}', f'../../../../../../../..{self.path}',
            f'fat:{self.path.parent}', f'nbd://127.0.0.1:{self.port}/x',
            f'nbd:127.0.0.1:{self.port}',
            f'http://127.0.0.1:{self.port}/x',
            f'ssh://127.0.0.1:{self.port}{self.path}',
            f'json:{{"driver":"file","filename":"{self.path}"}}',
            'json:{"driver":"raw","file":{"driver":"file","filename":"'
            f'{self.path}"}}}}']


@dataclasses.dataclass(frozen=True)
class Mutant:
    """An image.

    :param original: the name of what it was made of
    :param declared: the format that Glance says
    :param steps: what was done to it
    """

    number: int
    original: str
    declared: str
    data: bytes
    steps: tuple[str, ...]

    @property
    def name(self) -> str:
        return '-'.join([str(self.number), self.original,
                         f'as-{self.declared}', *self.steps])

    def packed(self) -> bytes:
        """The same in a gzip container, now and then a broken one."""
        chance = random.Random(self.number)
        data = bytearray(gzip.compress(self.data, 1, mtime=0))
        if chance.random() < 0.2:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        if chance.random() < 0.1:
            del data[chance.randrange(len(data)):]
        if chance.random() < 0.1:
            data += chance.choice([
                b'garbage', gzip.compress(b''), bytes(data[:64]),
                gzip.compress(bytes(4096))])
        return bytes(data)


def mutant(made: Originals, targets: Targets, seed: int,
           number: int) -> Mutant:
    """The one of a seed and a number."""
    chance = random.Random(f'{seed}/{number}')
    # In turn: no format has many more than another.
    original = list(KINDS)[number % len(KINDS)]
    work = _Work(chance, made, targets, original, bytearray(made[original]))
    steps = []
    for left in range(chance.choice([1, 1, 1, 2, 2, 3, 4]), -20, -1):
        if left <= 0 and work.data != made[original]:
            break  # some steps put the same thing in its own place
        step = chance.choice(work.steps())
        step(work)
        steps.append(step.__name__.strip('_'))
    if chance.random() < 0.8:
        mended = _MEND.get(work.family)
        if mended:
            mended(work)
    declared = KINDS[original].declared
    if chance.random() < 0.08:
        declared = chance.choice(sorted({
            kind.declared for kind in KINDS.values()} | {'ami'}))
    return Mutant(number, original, declared, bytes(work.data), tuple(steps))


@dataclasses.dataclass(frozen=True)
class Control:
    """An image that qemu-img follows where nothing keeps it from that.

    :param driver: qemu's name of its format
    :param sets_off: the fault that shows then
    """

    driver: str
    data: bytes
    sets_off: str

    def follow(self, place: pathlib.Path,
               watch: Callable[[], dict[str, str]]) -> dict[str, str]:
        """Convert it with all the rights that we have.

        :param place: a directory
        :param watch: says what has been seen since the last question
        :returns: what it has said
        """
        path = place / 'control'
        path.write_bytes(self.data)
        seen: dict[str, str] = {}

        def done() -> bool:
            seen.update(watch())
            return bool(seen) or process.poll() is not None

        with subprocess.Popen(
                ['qemu-img', 'convert', '-f', self.driver, '-O', 'raw', path,
                 place / 'out'], stderr=subprocess.DEVNULL) as process:
            try:
                polling.wait_until(done, 60)
            finally:
                process.kill()  # nobody answers at the port
        return seen | watch()


def controls(made: Originals, targets: Targets) -> dict[str, Control]:
    """That the watch sees what it is there to see, one for each of them."""
    def backed(name: str) -> bytes:
        return hostile.patched(
            made['qcow2'], (8, struct.pack('>QI', 0x400, len(name))),
            (0x400, name.encode()))

    path = str(targets.path)
    qed = hostile.patched(
        made['qed'], (16, struct.pack('<Q', 5)),
        (56, struct.pack('<II', 512, len(path))), (512, path.encode()))
    data_file = hostile.patched(
        made['qcow2'], (72, struct.pack('>Q', 4)),
        (112, struct.pack('>II', 0x44415441, len(path)) + path.encode()
         + bytes(16)))
    return {
        'extent': Control('vmdk', differences.descriptor(path), 'opened'),
        'backing-file': Control('qcow2', backed(path), 'opened'),
        'backing-protocol': Control('qcow2', backed(
            f'nbd://127.0.0.1:{targets.port}/x'), 'connected'),
        'backing-of-qed': Control('qed', qed, 'opened'),
        'data-file': Control('qcow2', data_file, 'opened')}


@dataclasses.dataclass
class _Work:
    """One that is being made."""

    chance: random.Random
    made: Originals
    targets: Targets
    original: str
    data: bytearray

    @property
    def family(self) -> str:
        return self.original.partition('-')[0]

    @property
    def target(self) -> bytes:
        return self.chance.choice(self.targets.names).encode()

    def steps(self) -> list[Step]:
        """What can be done, the likelier the more often it is listed."""
        own = _OWN.get(self.original) or _OWN.get(self.family, [])
        return [*own * 3, _flip_head, _flip_any, _cut, _lengthen, _splice,
                _scramble, _write_target, _hybrid]

    def put(self, at: int, new: bytes) -> None:
        """Write, as far as that is within a sane length."""
        if 0 <= at <= 4 * DISK:
            if at > len(self.data):
                self.data.extend(bytes(at - len(self.data)))
            self.data[at:at + len(new)] = new

    def number(self, form: str, at: int) -> int:
        """What a field holds; 0 where there is none."""
        if not 0 <= at <= len(self.data) - struct.calcsize(form):
            return 0
        return struct.unpack_from(form, self.data, at)[0]

    def set(self, form: str, at: int) -> None:
        """Put an interesting number into a field."""
        bits = 8 * struct.calcsize(form)
        old = self.number(form, at)
        new = self.chance.choice([
            0, 1, 2, 3, 7, 8, 511, 512, 513, 2**16, 2**20, 2**20 + 1, 2**21,
            2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**53, 2**62, 2**63 - 1,
            2**63, 2**64 - 1, old + 1, old - 1, old * 2, old // 2, old ^ 0xff,
            old ^ 1 << self.chance.randrange(bits), len(self.data),
            len(self.data) // 512, self.chance.randrange(len(self.data) + 1),
            self.chance.randrange(len(self.data) + 1) // 512 * 512])
        self.put(at, struct.pack(form, new % 2**bits))


def _field(*fields: tuple[str, int]) -> Step:
    def field(work: _Work) -> None:
        for _ in range(work.chance.choice([1, 1, 2, 3])):
            work.set(*work.chance.choice(fields))

    return field


def _table(form: str, entries: int,
           where: Callable[[_Work], int]) -> Step:
    def table(work: _Work) -> None:
        start = where(work)
        for _ in range(work.chance.choice([1, 2, 8])):
            work.set(form, start + struct.calcsize(form)
                     * work.chance.randrange(entries))

    return table


def _swap(size: int, where: Callable[[_Work], int]) -> Step:
    def swap(work: _Work) -> None:
        """Two entries change their places, or become the same."""
        start = where(work)
        one, other = (start + size * work.chance.randrange(16)
                      for _ in range(2))
        first = bytes(work.data[one:one + size])
        second = bytes(work.data[other:other + size])
        work.put(one, second)
        if work.chance.random() < 0.5:
            work.put(other, first)

    return swap


def _flip_head(work: _Work) -> None:
    for _ in range(work.chance.choice([1, 2, 8])):
        at = work.chance.randrange(min(len(work.data), 1024) or 1)
        work.put(at, bytes([work.number('B', at)
                            ^ 1 << work.chance.randrange(8)]))


def _flip_any(work: _Work) -> None:
    for _ in range(work.chance.choice([1, 8, 64])):
        at = work.chance.randrange(len(work.data) or 1)
        work.put(at, work.chance.randbytes(1))


def _cut(work: _Work) -> None:
    length = len(work.data)
    del work.data[work.chance.choice([
        length * work.chance.randrange(100) // 100, length - 1, length - 511,
        length - 512, 4096, 65536]):]


def _lengthen(work: _Work) -> None:
    work.data += work.chance.choice([
        b'\0', bytes(512), bytes(65536), work.chance.randbytes(513),
        work.made['vhd'][:512], work.made['vhd-fixed'][-512:],
        work.made['vmdk'][:512]])


def _splice(work: _Work) -> None:
    """The beginning, the end or the middle of another image."""
    other = work.made[work.chance.choice(sorted(work.made))]
    length = work.chance.choice([4, 72, 512, 1024, 65536])
    work.put(*work.chance.choice([
        (0, other[:length]),
        (max(0, len(work.data) - length), other[-length:]),
        (work.chance.choice([512, 1024, 4096, 32768, 65536]),
         other[:length])]))


def _scramble(work: _Work) -> None:
    start = work.chance.randrange(len(work.data) + 1)
    work.put(start, work.chance.randbytes(work.chance.choice([16, 512, 4096])))


def _write_target(work: _Work) -> None:
    """Anywhere in the first KiBs, as text of some kind."""
    kind = work.chance.choice(['utf-8', 'utf-16-le', 'utf-16-be'])
    work.put(work.chance.randrange(8192) & ~7,
             work.target.decode().encode(kind) + b'\0')


def _hybrid(work: _Work) -> None:
    """Another look besides its own."""
    work.put(*work.chance.choice([
        (32768, b'\x01CD001\x01'), (510, b'\x55\xaa'), (0, b'QFI\xfb'),
        (0, b'KDMV'), (0, b'# Disk DescriptorFile\n'), (0, b'conectix'),
        (0, b'vhdxfile'), (0, b'QED\0'), (0, b'LUKS\xba\xbe\0\1'),
        (64, struct.pack('<I', 0xbeda107f)), (0, b'WithoutFreeSpace'),
        (0, b'WithouFreSpacExt'), (0, b'COWD'), (0, b'OOOO'),
        (512, b'EFI PART')]))


# -- qcow2 -----------------------------------------------------------------

_QCOW2 = (('>I', 4), ('>Q', 8), ('>I', 16), ('>I', 20), ('>Q', 24),
          ('>I', 32), ('>I', 36), ('>Q', 40), ('>Q', 48), ('>I', 56),
          ('>I', 60), ('>Q', 64), ('>Q', 72), ('>Q', 80), ('>Q', 88),
          ('>I', 96), ('>I', 100), ('B', 104), ('>I', 112), ('>I', 116))


def _l1(work: _Work) -> int:
    return work.number('>Q', 40)


def _l2(work: _Work) -> int:
    return work.number('>Q', _l1(work)) & 0x00fffffffffffe00


def _refcounts(work: _Work) -> int:
    return work.number('>Q', 48)


def _refcount_block(work: _Work) -> int:
    return work.number('>Q', _refcounts(work))


def _snapshots(work: _Work) -> int:
    return work.number('>Q', 64)


def _backing(work: _Work) -> None:
    """A backing file, also one that is only half there."""
    name = work.target
    at = work.chance.choice([0x400, 0x200, 104, 112, len(work.data)])
    work.put(at, name)
    if work.chance.random() < 0.8:
        work.put(8, struct.pack('>Q', at))
    if work.chance.random() < 0.8:
        work.put(16, struct.pack('>I', len(name)))


def _extension(work: _Work) -> None:
    """Header extensions, a data file among them."""
    kind = work.chance.choice([0x44415441, 0x44415441, 0xe2792aca, 0x0537be77,
                               0x6803f857, 0x23852875,
                               work.chance.getrandbits(32)])
    text = work.chance.choice([work.target, b'raw', bytes(24)])
    length = len(text) if work.chance.random() < 0.9 else (
        work.chance.choice([0, 1, 4096, 2**31, 2**32 - 1]))
    at = work.number('>I', 100) if work.number('>I', 4) == 3 else 72
    work.put(min(at, 8192), struct.pack('>II', kind, length) + text
             + bytes(-len(text) % 8) + bytes(8))
    if kind == 0x44415441 and work.chance.random() < 0.7:
        work.put(72, struct.pack('>Q', work.number('>Q', 72) | 4))


# -- VMDK ------------------------------------------------------------------

_VMDK = (('<I', 4), ('<I', 8), ('<Q', 12), ('<Q', 20), ('<Q', 28),
         ('<Q', 36), ('<I', 44), ('<Q', 48), ('<Q', 56), ('<Q', 64),
         ('B', 72), ('<I', 73), ('<H', 77))

_LINES = (
    'RW 2048 FLAT "{}" 0', 'RW\t2048\tFLAT\t"{}"\t0\t=', 'RW 2048 SPARSE "{}"',
    'RW 2048 VMFS "{}" 0', 'RDONLY 2048 FLAT "{}" 0', 'RW 2048 ZERO',
    'RW 2048 VMFSSPARSE "{}"', 'RW 2048 SESPARSE "{}"', 'NOACCESS 2048 ZERO',
    '\rRW 2048 FLAT "{}" 0', '\fRW 2048 FLAT "{}" 0', ' RW 2048 FLAT "{}" 0',
    'rw 2048 flat "{}" 0', 'RW 2048 FLAT {} 0', 'RW 0 FLAT "{}" 0',
    'RW 2048 FLAT "{}" 0 =', 'parentFileNameHint="{}"',
    'changeTrackPath="{}"', 'parentCID=12345678', 'CID=ffffffff',
    'createType="monolithicFlat"', 'createType="monolithicSparse"',
    'createtype="vmfs"', 'createType="twoGbMaxExtentFlat"',
    'CREATETYPE="custom"', 'createType=streamOptimized', 'version=4',
    '# {}', 'ddb.x = "{}"', '\0RW 2048 FLAT "{}" 0', '', '#' * 4096)


def _descriptor_at(work: _Work) -> int:
    return 0 if work.original == 'vmdk-text' else 512


def _lines(work: _Work) -> None:
    """Lines of the descriptor come, go, change places or change."""
    start = _descriptor_at(work)
    most = 20 * 512
    text = bytes(work.data[start:start + most]).rstrip(b'\0')
    lines = text.split(b'\n')
    for _ in range(work.chance.choice([1, 1, 2, 4])):
        at = work.chance.randrange(len(lines) + 1)
        line = work.chance.choice(_LINES).replace(
            '{}', work.target.decode()).encode()
        what = work.chance.randrange(6)
        if what < 3:
            lines.insert(at, line)
        elif what == 3 and at < len(lines):
            lines[at] = line
        elif what == 4 and at < len(lines):
            del lines[at]
        elif at < len(lines):
            lines[at] = work.chance.choice([
                lines[at].swapcase(), lines[at].replace(b' ', b'\t'),
                lines[at].replace(b'"', b''), lines[at].replace(b'=', b' = '),
                lines[at] + b'\r', lines[at] * 2, b' ' + lines[at]])
    text = b'\n'.join(lines)
    if start:
        text = text[:most].ljust(most, b'\0')
        work.put(start, text)
    else:
        work.data[:] = text


def _no_capacity(work: _Work) -> None:
    """qemu goes back to the text behind such a header."""
    work.put(12, bytes(8))
    _lines(work)


def _footer(work: _Work) -> None:
    """The header at the end, which qemu prefers."""
    start = max(0, len(work.data) - 1024)
    form, at = work.chance.choice(_VMDK)
    work.set(form, start + at)
    if work.chance.random() < 0.3:
        work.put(56, b'\xff' * 8)


def _grains(work: _Work) -> int:
    return work.number('<Q', 56) % 2**40 * 512


def _grain_table(work: _Work) -> int:
    return work.number('<I', _grains(work)) * 512


# -- VHD, VHDX, VDI, QED, ploop --------------------------------------------

_VHD_FOOTER = (('>I', 8), ('>I', 12), ('>Q', 16), ('>Q', 40), ('>Q', 48),
               ('>H', 56), ('B', 58), ('B', 59), ('>I', 60), ('>I', 64))
_VHD_HEADER = tuple((form, 512 + at) for form, at in (
    ('>Q', 8), ('>Q', 16), ('>I', 24), ('>I', 28), ('>I', 32), ('>I', 36)))


def _vhd_parent(work: _Work) -> None:
    """A differencing disk, or half of one."""
    name = work.target.decode()
    if work.chance.random() < 0.8:
        work.put(60, struct.pack('>I', 4))
    if work.chance.random() < 0.7:
        work.put(512 + 64, name.encode('utf-16-be'))
    if work.chance.random() < 0.7:
        at = work.chance.choice([65536, 4096, 1536])
        code = work.chance.choice([b'W2ku', b'W2ru', b'MacX', b'Wi2k'])
        words = name.encode('utf-16-le')
        work.put(512 + 576 + 24 * work.chance.randrange(8), code
                 + struct.pack('>IIIQ', 512, len(words), 0, at))
        work.put(at, words)


def _vhd_end(work: _Work) -> None:
    """The copy of the footer at the end, which may say another thing."""
    form, at = work.chance.choice(_VHD_FOOTER)
    work.set(form, max(0, len(work.data) - 512) + at)


def _mend_vhd(work: _Work) -> None:
    """The checksums that it then has."""
    for start, at, size in ((0, 64, 512), (512, 512 + 36, 1024),
                            (len(work.data) - 512,
                             len(work.data) - 512 + 64, 512)):
        if start < 0 or bytes(work.data[start:start + 8]) not in (
                b'conectix', b'cxsparse'):
            continue
        work.put(at, bytes(4))
        work.put(at, struct.pack(
            '>I', ~sum(work.data[start:start + size]) & 0xffffffff))


def _vhd_table(work: _Work) -> int:
    return work.number('>Q', 512 + 16)


_REGIONS = 192 * 1024
_VHDX_HEADERS = tuple((form, base + at) for base in (65536, 131072)
                      for form, at in (('<Q', 8), ('<Q', 48), ('<H', 64),
                                       ('<H', 66), ('<I', 68), ('<Q', 72)))
_VHDX_REGIONS = (('<I', _REGIONS + 8), *(
    (form, _REGIONS + 16 + 32 * entry + at) for entry in range(3)
    for form, at in (('<I', 0), ('<Q', 16), ('<I', 24), ('<I', 28))))


def _metadata(work: _Work) -> int:
    return max(work.data.find(b'metadata', 2**20), 0)


def _vhdx_items(work: _Work) -> None:
    """The metadata's table and what it speaks of."""
    start = _metadata(work)
    work.set(*work.chance.choice([
        ('<H', start + 10),
        *((form, start + 32 + 32 * entry + at) for entry in range(6)
          for form, at in (('<I', 0), ('<I', 16), ('<I', 20), ('<I', 24))),
        ('<I', start + 65536), ('<I', start + 65540),
        ('<Q', start + 65544), ('<I', start + 65568)]))


def _vhdx_parent(work: _Work) -> None:
    if _metadata(work):
        work.data[:] = differences.with_locator(
            bytes(work.data), work.target.decode())


def _vhdx_log(work: _Work) -> None:
    """A log that would have to be replayed."""
    work.put(65536 + 48, work.chance.randbytes(16))
    work.put(65536 + 8, struct.pack('<Q', 99))
    work.put(2**20, b'loge' + work.chance.randbytes(60))


def _mend_vhdx(work: _Work) -> None:
    """The checksums that it then has."""
    for start, size in ((65536, 4096), (131072, 4096), (_REGIONS, 65536),
                        (_REGIONS + 65536, 65536)):
        if len(work.data) >= start + size:
            work.put(start + 4, bytes(4))
            work.put(start + 4, struct.pack('<I', differences.crc32c(
                bytes(work.data[start:start + size]))))


_VDI = (('<I', 64), ('<I', 68), ('<I', 72), ('<I', 76), ('<I', 80),
        ('<I', 340), ('<I', 344), ('<I', 360), ('<Q', 368), ('<I', 376),
        ('<I', 380), ('<I', 384), ('<I', 388), ('<Q', 392), ('<Q', 424),
        ('<Q', 440))


def _vdi_map(work: _Work) -> int:
    return work.number('<I', 340)


_QED = (('<I', 4), ('<I', 8), ('<I', 12), ('<Q', 16), ('<Q', 24), ('<Q', 32),
        ('<Q', 40), ('<Q', 48), ('<I', 56), ('<I', 60))


def _qed_backing(work: _Work) -> None:
    name = work.target
    at = work.chance.choice([64, 512, 4096])
    work.put(at, name)
    work.put(56, struct.pack('<II', at, len(name)))
    if work.chance.random() < 0.8:
        work.put(16, struct.pack('<Q', work.number('<Q', 16) | 1))


def _qed_l1(work: _Work) -> int:
    return work.number('<Q', 40)


def _qed_l2(work: _Work) -> int:
    return work.number('<Q', _qed_l1(work))


_PLOOP = (('<I', 16), ('<I', 20), ('<I', 24), ('<I', 28), ('<I', 32),
          ('<Q', 36), ('<I', 44), ('<I', 48), ('<I', 52), ('<Q', 56))


def _of_qcow2() -> list[Step]:
    return [_field(*_QCOW2), _field(*_QCOW2), _backing, _extension,
            _table('>Q', 16, _l1), _table('>Q', 64, _l2), _swap(8, _l2),
            _table('>Q', 4, _refcounts), _table('>H', 32, _refcount_block),
            _table('>I', 16, _snapshots)]


_OWN: dict[str, list[Step]] = {
    'qcow2': _of_qcow2(),
    'vmdk': [_field(*_VMDK), _lines, _lines, _no_capacity, _footer,
             _table('<I', 4, _grains), _table('<I', 64, _grain_table),
             _swap(4, _grain_table)],
    'vmdk-text': [_lines],
    'vhd': [_field(*_VHD_FOOTER), _field(*_VHD_HEADER), _vhd_parent, _vhd_end,
            _table('>I', 4, _vhd_table), _swap(4, _vhd_table)],
    'vhd-fixed': [_vhd_end],
    'vhdx': [_field(*_VHDX_HEADERS), _field(*_VHDX_REGIONS), _vhdx_items,
             _vhdx_parent, _vhdx_log, _table('<Q', 4, lambda work: 3 * 2**20)],
    'vdi': [_field(*_VDI), _table('<I', 4, _vdi_map), _swap(4, _vdi_map)],
    'qed': [_field(*_QED), _qed_backing, _table('<Q', 4, _qed_l1),
            _table('<Q', 32, _qed_l2), _swap(8, _qed_l2)],
    'ploop': [_field(*_PLOOP), _table('<I', 4, lambda work: 64),
              _swap(4, lambda work: 64)],
    'raw': [_hybrid, _splice],
    'iso': [_hybrid, _splice],
}
_MEND = {'vhd': _mend_vhd, 'vhdx': _mend_vhdx}
