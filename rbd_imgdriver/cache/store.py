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
"""Golden images in a pool: find, publish, use, pin and retire them."""

import collections
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import time

from oslo_log import log as logging

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import names
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph.images import inheritance
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.ceph.wire import trash
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from rbd_imgdriver import undo

LOG = logging.getLogger(__name__)

# A use is recorded at most this often, in seconds: it is a write, and the
# order of uses within a minute does not matter to eviction.
_USE_INTERVAL = 60.0


class HalfPublished(Exception):
    """The image is left as it is: its publication can be finished."""


class Store:
    """The golden images of one pool.

    :param balanced_reads: whether clients are to read all copies of the
        data of new ones, and not only the first
    :param clock: seconds since the epoch
    """

    def __init__(self, pool: parts.Pool,
                 clock: Callable[[], float] = time.time,
                 balanced_reads: bool = False) -> None:
        self.pool = pool
        self._balanced = {inheritance.BALANCED_READS: 'true'} if (
            balanced_reads) else {}
        self._clock = clock
        self._recorded: dict[str, float] = {}
        self._in_use: collections.Counter[str] = collections.Counter()

    def entries(self) -> list[entry.Entry]:
        """All entries of the pool; not for the path of a hit."""
        found = (entry.parse(image.name, image.id, image.size, image.metadata)
                 for image in self.pool.directory.listed(names.GOLDEN))
        return [one for one in found if one is not None]

    def snapshot(self, golden: str) -> clones.SnapshotSpec:
        """What is cloned to use an entry."""
        return clones.SnapshotSpec(self.pool.name, golden, names.SNAPSHOT)

    def plain(self, image: model.Image) -> clones.SnapshotSpec | None:
        """A snapshot that holds the image's disk, checked, if there is one."""
        golden = names.golden(image)
        return self.snapshot(golden) if self.usable(golden, image) else None

    def usable(self, golden: str, image: model.Image) -> bool:
        """Whether there is an entry that may be used for the image."""
        try:
            return self.has(golden) and self.verified(golden, image)
        except ceph_errors.ImageNotFound:
            return False  # evicted meanwhile

    def verified(self, golden: str, image: model.Image) -> bool:
        """Whether the signature of an entry's data was verified, if it has to.

        Of an image without a signature nothing is looked up.

        :raises rbd_imgdriver.ceph.errors.ImageNotFound: when it is looked up
            and there is no such entry
        """
        if not image.signature:
            return True
        found = entry.parse(golden, self.pool.directory.id(golden), 0,
                            self.pool.headers.metadata(golden))
        return found is not None and found.verified(image)

    @contextlib.contextmanager
    def using(self, golden: str) -> Iterator[None]:
        """Keep this process from evicting an entry while it is cloned.

        Another host may evict it all the same; then the clone fails cleanly
        and counts as a miss.
        """
        self._in_use[golden] += 1
        try:
            yield
        finally:
            self._in_use[golden] -= 1
            if not self._in_use[golden]:
                del self._in_use[golden]

    def in_use(self) -> Collection[str]:
        """The entries that this process is cloning now."""
        return tuple(self._in_use)

    def has(self, golden: str) -> bool:
        """Whether there is an entry of that name; some small reads."""
        return self._state(golden) is entry.State.ENTRY

    def is_broken(self, golden: str) -> bool:
        """Whether an entry has lost its snapshot."""
        return self._state(golden) is entry.State.BROKEN

    def mend(self, golden: str) -> entry.State:
        """Put right what a publication that broke off has left.

        For whoever holds the lease of that entry.

        :returns: what the name leads to now: an entry, nothing, or an image
            that the cache has not made and leaves alone
        """
        named = self.pool.directory.named(golden)
        state = entry.state(golden, named)
        if named is None:
            return state
        if state is entry.State.BROKEN:
            self.retire(golden)
        elif state is entry.State.DANGLING:
            self.pool.images.drop_name(golden, named.id)
        elif state is entry.State.HALF_RENAMED and named.name is not None:
            self.pool.images.finish_rename(named.name, golden, named.id)
        else:
            return state
        LOG.info('%(golden)s was %(state)s and has been mended',
                 {'golden': golden, 'state': state.value})
        return self._state(golden)

    def _state(self, golden: str) -> entry.State:
        return entry.state(golden, self.pool.directory.named(golden))

    def publish(self, partial: str, golden: str, image: model.Image,
                more: Mapping[str, str] | None = None) -> None:
        """Turn a complete partial image into an entry.

        The snapshot and the facts come first and the name last: whoever
        finds the name finds a whole entry.

        :param more: metadata of an entry whose data is not the image's own
        :raises rbd_imgdriver.ceph.errors.ImageExists: when somebody else
            has published the same data
        """
        rbd_id = self.pool.directory.id(partial)
        self.pool.snapshots.ensure(partial, names.SNAPSHOT)
        with undo.on_error(f'the snapshot of {partial}',
                           lambda: self._unpublish(partial, golden, rbd_id)):
            self.pool.headers.update(
                partial, {**entry.facts(image, rbd_id, self._clock(),
                                        as_is=not more), **(more or {}),
                          **self._balanced},
                remove=[temporary.MARK])
            try:
                self.pool.images.rename(partial, golden)
            except ceph_errors.CephError:
                # It may have happened, or begun.
                if not self.pool.images.finish_rename(partial, golden, rbd_id):
                    raise

    def _unpublish(self, partial: str, golden: str, rbd_id: str) -> None:
        """Let the image be removed, unless it begins to have its name."""
        named = self.pool.directory.named(golden)
        if named is not None and named.id == rbd_id:
            raise HalfPublished(f'{golden} is finished by the next create or '
                                'the sweep')
        self.pool.snapshots.remove(partial, names.SNAPSHOT)

    def drop(self, partial: str, id_: str) -> None:
        """Remove what a dead import left, with its snapshot if it has it.

        :param id_: Ceph's id of the image
        :raises rbd_imgdriver.ceph.errors.ImageBusy: when a client has it
            open after all
        """
        if self.pool.usage.is_watched(id_):
            raise ceph_errors.ImageBusy(f'{partial} is open on a client')
        self.pool.snapshots.remove(partial, names.SNAPSHOT)
        self.pool.images.remove(partial, id_)

    def record_use(self, golden: str) -> None:
        """Remember that an entry was used now, if it can be noted."""
        now = self._clock()
        if now - self._recorded.get(golden, 0.0) < _USE_INTERVAL:
            return
        if self.note(golden, entry.used(now)):
            self._recorded[golden] = now

    def note(self, golden: str, values: Mapping[str, str]) -> bool:
        """Set metadata of an entry that helps, but that nobody needs.

        :returns: whether that was possible
        """
        try:
            self.pool.headers.update(golden, values)
        except ceph_errors.CephError as error:
            # Evicted meanwhile, for example; its user has what it needs.
            LOG.info('The use of %(golden)s is not recorded: %(error)s',
                     {'golden': golden, 'error': error})
            return False
        return True

    def pin(self, golden: str) -> None:
        """Keep an entry whatever the limits."""
        self.pool.headers.update(golden, entry.pin())

    def unpin(self, golden: str) -> None:
        """Let an entry go again when room is needed."""
        self.pool.headers.update(golden, {}, remove=entry.unpin())

    def release(self, golden: str) -> None:
        """Let an entry go that was held because its image was marked."""
        try:
            self.pool.headers.update(golden, {}, remove=entry.release())
        except ceph_errors.ImageNotFound:
            return  # evicted meanwhile

    def retire(self, golden: str) -> bool:
        """Take an entry out of use without harm to its volumes.

        It goes to the trash, where its children keep reading it.

        :returns: whether its space is free already; if not, the sweep frees
            it after the last child
        """
        named = self.pool.directory.named(golden)
        self._recorded.pop(golden, None)
        if named is None or named.metadata is None:
            return True  # another host was faster
        if not entry.is_own(named.id, named.metadata):
            raise ceph_errors.PermissionDenied(
                f'the cache did not make {self.pool.name}/{golden}')
        self.pool.trash.move(golden)
        return self.free(named.id)

    def retired(self, now: float) -> Iterator[trash.Trashed]:
        """The entries in the trash whose time has come.

        What somebody has moved there until a later time is not freed before.

        :param now: seconds since the epoch
        """
        for one in self.pool.trash.entries():
            if (one.name.startswith(names.GOLDEN)
                    and one.deferred_until <= now
                    and self.is_own(one.id)):
                yield one

    def is_own(self, id_: str) -> bool:
        """Whether an image, in the trash too, was made by the cache."""
        return entry.is_own(id_, self.pool.headers.metadata_id(id_))

    def free(self, id_: str) -> bool:
        """Free a retired entry if nothing needs it.

        :param id_: Ceph's id of the image
        :returns: whether it is gone
        """
        try:
            return self.pool.trash.free(id_, names.SNAPSHOT)
        except ceph_errors.ImageBusy:
            return False  # another host is just freeing it
