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
"""One hostile image by one way, and what came of it."""

import contextlib
import dataclasses
import os
import pathlib
import re
import subprocess
import tempfile
from typing import Self

import rbd

from rbd_imgdriver import errors
from rbd_imgdriver.importer.check import formats
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer import options
from sandbox import ceph
from tests.functional import conftest as functional
from tests.functional.importer import canary
from tests.functional.importer.conftest import children
from tests.functional.importer import mutations
from tests.functional.importer import ways

ACCEPTED = 'accepted'
# What must not happen: a file opened, a port connected to, by us or by what
# we accept; the file's words in a volume; anything but a refusal or a disk;
# another disk than qemu-img's; something left behind; a host out of order.
FAULTS = ('opened', 'connected', 'elsewhere', 'leaked', 'crashed', 'wrong',
          'left', 'broken')
PROGRAMS = ('qemu-img', 'qemu-nbd', 'bwrap')

# A converter that dies so has met a fault of its own; limits end it by
# others.
_FATAL = re.compile(r'signal \d+ \((Segmentation fault|Aborted|Bus error|'
                    r'Illegal instruction|Floating point exception|'
                    r'Trace/breakpoint trap)\)')
_REFERENCE_SECONDS = 120


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of an image.

    :param result: :data:`ACCEPTED`, or the code of the refusal
    :param faults: of ours, by their kinds, each with what is known of it
    """

    result: str
    faults: dict[str, str]


class Attack:
    """A host that is attacked, and everything that watches it.

    :param pool: of the cluster; it has to be empty
    """

    def __init__(self, cluster: ceph.Cluster, pool: str,
                 directory: pathlib.Path) -> None:
        self._rooms = {}
        for name in ('inbox', 'conversion', 'locks', 'host'):
            self._rooms[name] = directory / name
            self._rooms[name].mkdir(parents=True)
        self.file = canary.Canary(_open_to_all(
            self._rooms['host']) / 'secret')
        self.listener = canary.Listener()
        self.targets = mutations.Targets(self.file.path, self.listener.port)
        self._closing = contextlib.ExitStack()
        self._closing.callback(self.file.close)
        self._closing.callback(self.listener.close)
        self._host = ways.Host(
            image_importer.Importer(options.Options(
                str(self._rooms['conversion']), retries=0, stall_timeout=60,
                lock_path=str(self._rooms['locks']))),
            functional.open_pool(cluster, pool),
            self._closing.enter_context(cluster.connection()),
            self._rooms['inbox'])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def seen(self) -> dict[str, str]:
        """What was opened or connected to since the last question."""
        found = {'opened': self.file.opened(),
                 'connected': self.listener.connected()}
        return {kind: f'{count} times' for kind, count in found.items()
                if count}

    def run(self, way: str, given: ways.Given,
            reference: 'Reference | None' = None) -> Outcome:
        """Let the image in, or see it refused.

        :param reference: what it holds if it is accepted; None: not compared
        """
        faults: dict[str, str] = {}
        data = None
        try:
            data = ways.WAYS[way](self._host, given)
            result = ACCEPTED
        except errors.ImageError as error:
            result = error.code
            if _FATAL.search(error.reason):
                faults['crashed'] = error.reason
            if isinstance(error, errors.HostUnusable | errors.BackendFailed
                          ) or 'cannot be confined' in error.reason:
                faults['broken'] = error.reason
        except Exception as error:
            result = 'none'
            faults['crashed'] = f'{type(error).__name__}: {error}'
        faults |= self.seen() | self._left()
        if data is not None:
            if self.file.words in data:
                faults['leaked'] = 'the volume holds the host\'s file'
            if reference is not None:
                faults |= reference.compare(data, encrypted=way == 'encrypted')
                if seen := self.seen():
                    faults['elsewhere'] = (
                        'the image is accepted and qemu-img without a '
                        f'sandbox follows it: {seen}')
        return Outcome(result, faults)

    def _left(self) -> dict[str, str]:
        pool = self._host.pool
        with pool.cluster.checked_out():
            trashed = [one['name'] for one in rbd.RBD().trash_list(
                pool.cluster.ioctx(pool.name))]
        left = [*pool.directory.ids(), *trashed,
                *self._rooms['conversion'].iterdir(),
                *children(*PROGRAMS)]
        return {'left': ', '.join(map(str, left))} if left else {}


class Reference:
    """What qemu-img by itself reads of an image.

    Without any of our options, so it also follows what it may follow.

    :param declared: Glance's disk format
    """

    def __init__(self, declared: str, data: bytes) -> None:
        self._declared = declared
        self._data = data
        self._held: bytes | str | None = None

    def compare(self, volume: bytes, *, encrypted: bool) -> dict[str, str]:
        """Whether a volume holds the same, and zeros behind it.

        :param encrypted: what is behind the disk's end in the volume was
            never written, and decrypts to noise
        """
        if self._held is None:
            self._held = self._read()
        if isinstance(self._held, str):
            return {'wrong': f'qemu-img by itself: {self._held}'}
        disk, rest = (volume[:len(self._held)],
                      volume[len(self._held):])
        if disk != self._held[:len(volume)]:
            at = len(os.path.commonprefix([disk, self._held]))
            return {'wrong': f'the volume differs from byte {at}'}
        if len(self._held) > len(volume) and self._held[len(volume):].strip(
                b'\0'):
            return {'wrong': 'the volume lacks the end'}
        if not encrypted and rest.strip(b'\0'):
            return {'wrong': 'something follows the disk'}
        return {}

    def _read(self) -> bytes | str:
        """The disk, or why it cannot be read."""
        driver = self._driver()
        if driver == 'raw':
            return self._data
        with tempfile.TemporaryDirectory() as place:
            image, out = pathlib.Path(place, 'image'), pathlib.Path(place,
                                                                    'out')
            image.write_bytes(self._data)
            done = subprocess.run(
                ['prlimit', f'--as={2**32}', '--cpu=60', f'--fsize={2**30}',
                 'qemu-img', 'convert', '-f', driver, '-O', 'raw', image,
                 out], capture_output=True, text=True,
                timeout=_REFERENCE_SECONDS)
            if done.returncode:
                return done.stderr.strip() or f'status {done.returncode}'
            return out.read_bytes()

    def _driver(self) -> str:
        if self._declared == 'ami':
            return 'qcow2' if self._data.startswith(b'QFI\xfb') else 'raw'
        return formats.qemu_driver(self._declared)


def _open_to_all(path: pathlib.Path) -> pathlib.Path:
    """Also to ``nobody``, so that only we protect what is in there."""
    for one in (path, *path.parents):
        if one.stat().st_uid == os.getuid() and len(one.parts) > 2:
            one.chmod(0o755)
    return path
