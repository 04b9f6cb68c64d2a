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

"""A demonstration: volumes from one image, four ways.

    python3 -m sandbox.demo [--keep]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import dataclasses
import re
import sys
import textwrap

from sandbox import cinder
from sandbox import cloud
from sandbox import context
from sandbox import errors
from sandbox import guest
from sandbox import guest_image
from sandbox import origin
from sandbox import packages
from sandbox import progress
from sandbox import steps
from sandbox import storage
from sandbox import tenant

MIB = 2**20
UUID = re.compile(r'[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}.*')
PREFIX = 'demo-'
WIDTH = 79

# MiB: the disk, and the data in it that does not compress.
SIZE, PAYLOAD = 512, 192


@dataclasses.dataclass(frozen=True)
class Create:
    """One volume of the demonstration, and why it is made."""

    name: str
    image: str
    backend: str
    sentence: str


CREATES = (
    Create('rbd-clone', 'raw', 'img1',
           'The raw image is in the same Ceph cluster: the volume becomes a '
           'clone of its snapshot.'),
    Create('cinder-clone', 'cinder', 'img1',
           'The image is itself a Cinder volume: that volume is cloned.'),
    Create('import', 'qcow2', 'img1',
           'Nothing can be cloned from qcow2: the data is read and unpacked, '
           'once, into a golden image; the volume is a clone of that.'),
    Create('cached-clone', 'qcow2', 'img1',
           'The same image again: now there is something to clone.'),
    Create('cached-clone-2', 'qcow2', 'img1', 'And again.'),
    Create('cached-clone-3', 'qcow2', 'img1', 'And again.'),
    Create('in-tree', 'qcow2', 'intree',
           'For comparison, Cinder\'s own RBD driver with the same image.'),
)
BOOTED = 'cached-clone'


@dataclasses.dataclass(frozen=True)
class Made:
    """A volume that was made."""

    create: Create
    volume: str
    seconds: float
    origin: origin.Origin


class Demo:
    """The demonstration, one method for each chapter."""

    def __init__(self, sandbox: context.Context) -> None:
        self._sandbox = sandbox
        self._image = guest_image.GuestImage(sandbox, size=SIZE,
                                             payload=PAYLOAD)

    def start_cloud(self) -> None:
        """Bring up the sandbox, and make the image meanwhile."""
        heading('A cloud on this machine',
                'Ceph, Keystone, Glance and Cinder, as a provider would run '
                'them, but small. Backend img1 has the driver of this '
                'project, backend intree the one that comes with Cinder.')
        log = self._sandbox.layout.log('packages')
        cloud.Cloud(self._sandbox, progress.Progress()).up(
            steps.Step('qemu', lambda: packages.install(packages.QEMU, log),
                       after=('packages',)),
            steps.Step(guest_image.NAME, self._image.make,
                       after=('packages',)))
        self._user = tenant.Tenant(self._sandbox, PREFIX)
        self._user.clean()

    def upload(self) -> dict[str, str]:
        """Upload the image in three ways; their ids by name."""
        heading('One image, three times',
                f'A disk of {SIZE} MiB with Linux and {PAYLOAD} MiB of data '
                'is uploaded to Glance: raw and as qcow2 into Ceph, and '
                'once more into a Cinder volume.')
        images = {}
        for name, file, disk_format, store, where in (
                ('raw', self._image.raw, 'raw', 'rbd', 'Ceph'),
                ('cinder', self._image.raw, 'raw', 'cinder',
                 'a Cinder volume'),
                ('qcow2', self._image.qcow2, 'qcow2', 'rbd', 'Ceph')):
            say(f'  {PREFIX}{name}: {disk_format}, '
                f'{file.stat().st_size // MIB} MiB, in {where}')
            images[name] = self._user.upload(name, file, disk_format, store)
        return images

    def make_volumes(self, images: dict[str, str]) -> list[Made]:
        """Make all volumes, one after the other."""
        heading('Volumes from it',
                'Each line is one request to Cinder. The driver tries '
                'rbd-clone, cinder-clone, cached-clone, import, in this '
                'order, and notes on the volume which of them served.')
        made = []
        for create in CREATES:
            say(textwrap.fill(create.sentence, WIDTH, initial_indent='  ',
                              subsequent_indent='  '))
            volume, seconds = self._user.create_volume(
                create.name, images[create.image], create.backend)
            found = origin.of(self._sandbox, _pool(create.backend), volume)
            made.append(Made(create, volume, seconds, found))
            say(f'    -> {found.strategy or "available"}: {seconds:.1f} s')
        return made

    def compare(self, made: Sequence[Made]) -> None:
        """Print the table."""
        heading('What happened',
                'Seconds until the volume was available; the data that had '
                'to be moved for it; and the snapshot whose data it shares.')
        rows = [['backend', 'image', 'strategy', 'seconds', 'MiB moved',
                 'RBD parent', 'declined before']]
        rows += [_row(each) for each in made]
        say(table(rows))
        if any(each.origin.moved is None for each in made):
            say('* by what the volume holds itself; its driver leaves no '
                'notes')
        meanings = {f'{code}: {reason}' for each in made
                    for _, code, reason in each.origin.declined}
        for meaning in sorted(meanings):
            say(textwrap.fill(meaning, WIDTH, subsequent_indent='    ',
                              break_on_hyphens=False))

    def boot(self, made: Sequence[Made]) -> None:
        """Start a guest from one of the volumes."""
        heading('A guest boots from one of them',
                f'QEMU, in software, with the volume {PREFIX}{BOOTED} over '
                'RBD. The guest says:')
        each, = (each for each in made if each.create.name == BOOTED)
        cluster = storage.cluster(self._sandbox)
        backend = _backend(each.create.backend)
        drive = guest.rbd_drive(backend.pool, f'volume-{each.volume}',
                                backend.user, cluster.conf(backend.user))
        for line in guest.boot(drive, self._sandbox.layout.log(guest.NAME)):
            say(f'  | {line}')

    def clean(self, keep: bool) -> None:
        """Delete what the demonstration has made, if wanted."""
        if keep:
            heading('Kept', f'Volumes and images "{PREFIX}..." stay until '
                            'the next demonstration.')
        else:
            heading('Cleaning up', 'The volumes and images are deleted; the '
                                   'sandbox keeps running.')
            self._user.clean()
        say('To look around: eval "$(make -s sandbox-env)"; '
            'to stop: make sandbox-down')


def _backend(name: str) -> cinder.Backend:
    return next(each for each in cinder.BACKENDS if each.name == name)


def _pool(backend: str) -> str:
    return _backend(backend).pool


def _row(made: Made) -> list[str]:
    found = made.origin
    moved = (f'{found.own / MIB:.0f}*' if found.moved is None
             else f'{found.moved / MIB:.0f}')
    return [made.create.backend, made.create.image,
            found.strategy or '(in-tree)', f'{made.seconds:.1f}', moved,
            shortened(found.parent) or '-',
            '\n'.join(f'{strategy}: {code}'
                      for strategy, code, _ in found.declined) or '-']


def shortened(parent: str) -> str:
    """A snapshot's name with only the beginning of each id."""
    pool, _, rest = parent.partition('/')
    name, _, snapshot = rest.partition('@')
    return parent and (f'{pool}/{_shortened(name)}\n@{_shortened(snapshot)}')


def _shortened(name: str) -> str:
    return UUID.sub(lambda found: found[0][:4] + '...', name)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text in columns; a cell may have several lines."""
    widths = [max(len(line) for row in rows for line in row[column].split(
        '\n')) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [cell.split('\n') for cell in row]
        for depth in range(max(map(len, cells))):
            lines.append('  '.join(
                (cell[depth] if depth < len(cell) else '').ljust(width)
                for cell, width in zip(cells, widths, strict=True)).rstrip())
        if number == 0:
            lines.append('  '.join('-' * width for width in widths))
    return '\n'.join(lines)


def heading(title: str, sentence: str) -> None:
    """Begin a chapter."""
    say(f'\n{title}\n{"=" * len(title)}')
    say(textwrap.fill(sentence, WIDTH))


def say(text: str) -> None:
    """Print, at once."""
    print(text, flush=True)


def main() -> int:
    """Give the demonstration."""
    parser = argparse.ArgumentParser(prog='python3 -m sandbox.demo')
    parser.add_argument('--keep', action='store_true',
                        help='keep the volumes and images')
    keep = parser.parse_args().keep
    sandbox = context.Context.from_environ()
    try:
        sandbox.layout.prepare()
        demo = Demo(sandbox)
        demo.start_cloud()
        made = demo.make_volumes(demo.upload())
        demo.compare(made)
        demo.boot(made)
        demo.clean(keep)
    except errors.SandboxError as error:
        print(error.explain(), file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
