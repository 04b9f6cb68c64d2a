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
"""Encrypted volumes at the cost of a clone.

The first encrypted volume that a project makes of an image leaves a golden
ciphertext (ciphertext.py).  Each later one is a clone of it with a header of
its own around the same master key.  That key is taken from a sibling: a volume
of the same project that was cloned before, whose passphrase this very request
may fetch from the key manager.  So there is no key of ours to keep, and when
the project's last volume of an image is gone nobody can read its ciphertext.

Why a clone never holds a wrong byte: the ciphertext is an immutable snapshot,
and a sibling's header is used only if its fingerprint, of which the master
key's digest is part, is the one that was noted when the ciphertext was
written.  A volume that was re-imaged or converted has another.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses
import time

from oslo_log import log as logging

from rbd_imgdriver import blocking
from rbd_imgdriver.cache import ciphertext
from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import fill
from rbd_imgdriver.cache import siblings
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.cache import stripping
from rbd_imgdriver.cache import wish
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.importer import copying
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from rbd_imgdriver import undo

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The volume that is wanted.

    :param volume: name of its RBD image
    :param size: in bytes
    :param record: the metadata to set on it, for the bytes that were moved
    :param replaces: whether there is an empty volume whose place it takes
    """

    image: model.Image
    data: model.ImageData
    events: model.Events
    volume: str
    size: int
    kind: ciphertext.Kind
    encryption: luks_header.Encryption
    keys: siblings.Keys
    record: Callable[[int], Mapping[str, str]]
    replaces: bool = False


@dataclasses.dataclass(frozen=True)
class Made:
    """How the volume was made.

    :param parent: the snapshot that it is a clone of
    :param imported: whether that had to be made first
    :param bytes_moved: for that
    """

    parent: clones.SnapshotSpec
    imported: bool
    bytes_moved: int


class EncryptedClones:
    """Makes encrypted volumes of golden ciphertexts in one pool.

    :param clock: seconds since the epoch
    :param sleep: waits some seconds; the tests' own clock may
    """

    def __init__(self, store: cache_store.Store, filler: fill.Filler,
                 importer: image_importer.Importer,
                 clock: Callable[[], float] = time.time,
                 sleep: Callable[[float], None] = time.sleep) -> None:
        self._store = store
        self._filler = filler
        self._siblings = siblings.Siblings(store, importer, clock, sleep)

    def make(self, wanted: Wanted) -> Made:
        """Make the volume, and before it the ciphertext if there is none.

        :raises siblings.NotCloned: when it has to be imported by itself
        :raises rbd_imgdriver.errors.ImageError: when the image cannot be used
        :raises rbd_imgdriver.ceph.errors.CephError: when Ceph refuses
        """
        check_room(wanted.image, wanted.size)
        golden = ciphertext.name(wanted.image, wanted.kind)
        for attempt in (self._of_entry, self._of_filled):
            try:
                return attempt(wanted, golden)
            except (ceph_errors.ImageNotFound,
                    ceph_errors.SnapshotNotFound) as error:
                LOG.debug('%(golden)s cannot be cloned: %(error)s',
                          {'golden': golden, 'error': error})
            except siblings.NoSibling:
                self._store.retire(golden)
        return self._last(wanted, golden)

    def _last(self, wanted: Wanted, golden: str) -> Made:
        try:
            return self._of_filled(wanted, golden)
        except (ceph_errors.ImageNotFound,
                ceph_errors.SnapshotNotFound) as error:
            raise siblings.NotCloned(
                'not-cached',
                f'{golden} was evicted before it could be cloned') from error
        except siblings.NoSibling as error:
            raise siblings.NotCloned(
                'no-sibling', f'no volume of {golden} is left') from error

    def _of_entry(self, wanted: Wanted, golden: str) -> Made:
        """The path of a hit, without the lease.

        The clone is made while its header is.

        :raises siblings.NoSibling: when no volume is left whose key would
            open it
        :raises ceph_errors.ImageNotFound: when there is no entry to be used
        """
        found, facts = self._entry(golden)
        if wanted.image.signature and not found.verified(wanted.image):
            raise ceph_errors.ImageNotFound(f'{golden} is not verified')
        with self._cloning(wanted, golden, 0) as complete:
            complete(self._siblings.header(golden, found, facts,
                                           wanted.encryption, wanted.keys))
        return self._made(wanted, golden, imported=False)

    def _of_filled(self, wanted: Wanted, golden: str) -> Made:
        """The path of a miss: an import, here or elsewhere.

        :raises: as :meth:`_of_entry`
        """
        stripped = stripping.Stripping(
            self._store.pool, wanted.encryption, wanted.kind)
        try:
            filled = self._filler.fill(wish.Wish(
                wanted.image, wanted.data, wanted.events, wanted.size,
                project=wanted.kind.project, encrypting=wish.Encrypting(
                    golden, wanted.encryption,
                    self._store.plain(wanted.image), stripped.strip)))
        except wish.CacheUnusable as error:
            raise siblings.NotCloned(error.code, str(error)) from error
        if stripped.header is None:
            return self._of_entry(wanted, golden)
        with self._cloning(wanted, golden, filled.bytes_moved) as complete:
            complete(stripped.header)
        return self._made(wanted, golden, filled.imported,
                          filled.bytes_moved)

    def _entry(self, golden: str) -> tuple[entry.Entry, ciphertext.Facts]:
        named = self._store.pool.directory.named(golden)
        metadata = named and named.metadata or {}
        found = named and entry.parse(golden, named.id, 0, metadata)
        facts = ciphertext.facts(metadata)
        if not found or not facts:
            raise ceph_errors.ImageNotFound(f'there is no {golden}')
        return found, facts

    def _made(self, wanted: Wanted, golden: str, imported: bool,
              bytes_moved: int = 0) -> Made:
        self._store.record_use(golden)
        self._store.note(golden, ciphertext.used_by(wanted.volume))
        wanted.events.cache('miss' if imported else 'hit', wanted.image.id)
        return Made(self._store.snapshot(golden), imported, bytes_moved)

    @contextlib.contextmanager
    def _cloning(self, wanted: Wanted, golden: str, bytes_moved: int,
                 ) -> Iterator[Callable[[bytes], None]]:
        """Begin to clone, under a name of its own, and go on meanwhile.

        :returns: completes the volume with a header and gives it its name
        """
        pool = self._store.pool
        name = temporary.new_name(wanted.volume)
        ids: list[str] = []
        worker = blocking.Worker[clones.CloneSpec](
            lambda spec: ids.append(pool.clones.clone(spec)), 1)

        def undone() -> None:
            worker.abandon()
            for id_ in ids:
                pool.images.remove(name, id_)

        def complete(header: bytes) -> None:
            worker.finish()
            with copying.writing(pool, name) as writer:
                blocking.run(writer.write, header)
            if wanted.replaces:
                pool.images.remove(wanted.volume)
            temporary.publish(pool, name, wanted.volume)

        with self._store.using(golden), undo.on_error(
                f'image {name}, for the sweep', undone):
            worker.put(clones.CloneSpec(
                parent=self._store.snapshot(golden), name=name,
                size=wanted.size, order=wanted.kind.order,
                metadata=wanted.record(bytes_moved), id_key=temporary.MARK))
            yield complete


def check_room(image: model.Image, size: int) -> None:
    """Refuse a disk that fills the volume: it loses its end to the header.

    Larger volumes of the same ciphertext would miss that end.

    :param size: bytes of the volume
    :raises siblings.NotCloned: when there is no room for both
    """
    room = size - stripping.LENGTH
    if (image.minimal_size or 0) > room:
        raise siblings.NotCloned('no-room-for-header',
                        f'the disk has {image.minimal_size} bytes, and '
                        f'beside its header the volume has room for {room}')
