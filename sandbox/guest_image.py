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

"""A small bootable disk image, made from Debian packages only.

A boot sector, one FAT partition with a boot loader, Debian's kernel for
clouds and an initial file system with busybox.  The packages are unpacked,
not installed, and nothing is mounted.
"""

from __future__ import annotations

from collections.abc import Iterator
import gzip
import hashlib
import pathlib
import random
import re
import shutil
import struct
import subprocess

from sandbox import commands
from sandbox import context
from sandbox import errors
from sandbox import layout as layouts
from sandbox import packages

NAME = 'guest-image'
MIB = 2**20
SECTOR = 512
START = MIB
"""Where the partition begins."""

INIT = layouts.TEMPLATES / 'guest-init.sh'
KERNEL = 'linux-image-cloud-amd64'
TOOLS = ('busybox-static', 'dosfstools', 'mtools', 'syslinux',
         'syslinux-common')

# In the order in which they are loaded: the disks of virtual machines.
MODULES = (
    'virtio_ring', 'virtio', 'virtio_pci_modern_dev', 'virtio_pci_legacy_dev',
    'virtio_pci', 'virtio_blk', 'scsi_common', 'scsi_mod', 'virtio_scsi',
    'crc64', 'crct10dif_common', 'crc64-rocksoft', 't10-pi', 'sd_mod')


class GuestImage:
    """The image as two files, made once.

    :param payload: MiB of data that do not compress, so that moving the
        image takes time
    :param size: MiB of the disk
    """

    def __init__(self, sandbox: context.Context, *, payload: int = 0,
                 size: int = 64) -> None:
        self._sandbox = sandbox
        self._payload = payload
        self._size = size
        self._work = sandbox.layout.root / 'guest'
        self._tree = self._work / 'tree'
        made_of = hashlib.sha256(INIT.read_bytes()).hexdigest()[:8]
        stem = f'guest-{size}M-{payload}M-{made_of}'
        self.raw = self._work / f'{stem}.raw'
        self.qcow2 = self._work / f'{stem}.qcow2'

    def make(self) -> None:
        """Make both files if they are not there."""
        if self.qcow2.exists():
            return
        self._unpack()
        partial = self._work / 'partial.raw'
        self._write(partial)
        partial.rename(self.raw)
        self._run('qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2',
                  self.raw, self._work / 'partial.qcow2')
        (self._work / 'partial.qcow2').rename(self.qcow2)

    # -- packages ----------------------------------------------------------

    def _unpack(self) -> None:
        if (self._tree / 'complete').exists():
            return
        shutil.rmtree(self._work, ignore_errors=True)
        self._tree.mkdir(parents=True)
        log = self._sandbox.layout.log(NAME)
        options = ('-o', 'APT::Sandbox::User=root')
        try:
            kernel = _kernel()
        except errors.SandboxError:
            packages.apt('update', log=log)
            kernel = _kernel()
        packages.apt('download', *options, kernel, *TOOLS, log=log,
                     cwd=self._work)
        for archive in self._work.glob('*.deb'):
            self._run('dpkg', '-x', archive, self._tree)
            archive.unlink()
        (self._tree / 'complete').touch()

    def _run(self, *words: str | pathlib.Path) -> None:
        tree = self._tree
        commands.run(
            NAME, words, log=self._sandbox.layout.log(NAME), cwd=self._work,
            env=self._sandbox.environ(
                PATH=f'{tree}/usr/bin:{tree}/sbin:{context.PATH}',
                MTOOLS_SKIP_CHECK=1))

    # -- the disk ----------------------------------------------------------

    def _write(self, disk: pathlib.Path) -> None:
        partition = self._work / 'partition'
        length = self._size * MIB - START
        partition.unlink(missing_ok=True)
        with open(partition, 'wb') as file:
            file.truncate(length)
        self._run('mkfs.vfat', '-F', '16', '-n', 'SANDBOX', partition)
        for name, path in self._files():
            self._run('mcopy', '-i', partition, path, f'::/{name}')
        self._run('syslinux', '--install', partition)
        boot = self._tree / 'usr/lib/syslinux/mbr/mbr.bin'
        with open(disk, 'wb') as file:
            file.write(boot_sector(boot.read_bytes(), START, length))
            file.truncate(START)
        self._run('dd', f'if={partition}', f'of={disk}', 'bs=1M',
                  f'seek={START // MIB}', 'conv=notrunc,sparse')
        with open(disk, 'ab') as file:
            file.truncate(self._size * MIB)
        partition.unlink()

    def _files(self) -> Iterator[tuple[str, pathlib.Path]]:
        """The files of the partition; the payload comes last."""
        yield 'vmlinuz', next((self._tree / 'boot').glob('vmlinuz-*'))
        initrd = self._work / 'initrd.gz'
        initrd.write_bytes(gzip.compress(archive(self._initial_files()), 9))
        yield 'initrd.gz', initrd
        yield 'syslinux.cfg', layouts.TEMPLATES / 'guest-syslinux.cfg'
        payload = self._work / 'payload'
        payload.write_bytes(
            random.Random(self._payload).randbytes(self._payload * MIB))
        yield 'payload', payload
        payload.unlink()

    def _initial_files(self) -> Iterator[tuple[str, bytes]]:
        """What is in the initial file system."""
        yield 'init', INIT.read_bytes()
        yield 'bin/busybox', (self._tree / 'bin/busybox').read_bytes()
        order = []
        for name in MODULES:
            for path in self._tree.glob(f'lib/modules/**/{name}.ko'):
                order.append(path.name)
                yield f'modules/{path.name}', path.read_bytes()
        yield 'modules/order', '\n'.join([*order, '']).encode()


def boot_sector(code: bytes, start: int, length: int) -> bytes:
    """A master boot record with one active FAT partition."""
    whole = b'\xfe\xff\xff'
    # Active, FAT16 (LBA), and the addresses that count: in sectors.
    entry = struct.pack('<B3sB3sII', 0x80, whole, 0x0e, whole,
                        start // SECTOR, length // SECTOR)
    return code[:440].ljust(446, b'\0') + entry.ljust(64, b'\0') + b'\x55\xaa'


def archive(files: Iterator[tuple[str, bytes]]) -> bytes:
    """A cpio archive as the kernel reads it ("newc"), all executable."""
    result = b''
    made: set[str] = set()
    for name, content in files:
        parents = [str(path) for path in pathlib.Path(name).parents][:-1]
        for parent in reversed(parents):
            if parent not in made:
                made.add(parent)
                result += _member(parent, b'', 0o040755)
        result += _member(name, content, 0o100755)
    return result + _member('TRAILER!!!', b'', 0)


def _member(name: str, content: bytes, mode: int) -> bytes:
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    header = '070701' + ''.join(f'{field:08X}' for field in fields)
    return _padded(header.encode() + name.encode() + b'\0') + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b'\0' * (-len(data) % 4)


def _kernel() -> str:
    """The package with the kernel that the distribution has now."""
    shown = subprocess.run(
        ['apt-cache', 'show', '--no-all-versions', KERNEL],
        capture_output=True, text=True).stdout
    found = re.search(r'^Depends:.*?(linux-image-[\w.+-]+)', shown, re.M)
    if found is None:
        raise errors.SandboxError(NAME, f'apt knows no package {KERNEL}')
    return found[1]
