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
"""Put an image into the cache, once per cluster.

A lease lets one importer work; the others wait and then clone.  The lease
saves work only: two importers at once would each write an image of their own
and one of them would lose the rename, with no harm to readers.
"""

from collections.abc import Callable
import dataclasses
import math
import secrets
import socket
import time

from oslo_log import log as logging

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import eviction
from rbd_imgdriver.cache import names
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.wire import leases
from rbd_imgdriver import errors
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver import model

LOG = logging.getLogger(__name__)

# Seconds.  A dead importer is replaced within the lease's time and a poll; a
# live one renews several times within it.
LEASE = 20.0
_RENEW = 4.0
_POLL = 0.5
_REPORT = 10.0


class CacheUnusable(Exception):
    """The cache cannot take the image; the create goes on without it.

    :param code: short and stable, for example ``cache-full``
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Filled:
    """The golden image is there.

    :param imported: whether this call imported it
    :param bytes_moved: by this call
    """

    golden: str
    imported: bool = False
    bytes_moved: int = 0


@dataclasses.dataclass(frozen=True)
class Wish:
    """An image that is to be in the cache.

    :param limit: bytes of the volume it is for; a larger image is refused
    :param progress: told of (bytes done, bytes to do) if this call imports
    :param project: who wants it; None: the image's owner
    """

    image: model.Image
    data: model.ImageData
    events: model.Events
    limit: int
    progress: Callable[[int, int], None] | None = None
    project: str | None = None


class Filler:
    """Fills the cache of one pool.

    :param order: log2 of the object size of golden images, in bytes
    :param sleep: waits some seconds; the tests' own clock may
    """

    def __init__(self, store: cache_store.Store,
                 importer: image_importer.Importer,
                 limits: eviction.Limits, order: int,
                 sleep: Callable[[float], None] = time.sleep,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.store = store
        self._importer = importer
        self._limits = limits
        self._order = order
        self._sleep = sleep
        self._clock = clock
        self._failures: dict[str, tuple[float, errors.ImageError]] = {}

    def fill(self, wish: Wish) -> Filled:
        """Have the image in the cache, by importing or by waiting.

        :raises CacheUnusable: when the cache cannot take it
        :raises rbd_imgdriver.errors.ImageError: when the image is no good
        """
        golden = names.golden(wish.image)
        started = self._clock()
        while True:
            self._raise_failure_since(golden, started)
            try:
                filled = self._import_under_lease(wish, golden)
                if filled is not None:
                    return filled
                self._wait(golden)
                if self.store.usable(golden, wish.image):
                    return Filled(golden)
            except leases.LeaseLost as error:
                LOG.warning('Import of %(golden)s was overtaken: %(error)s',
                            {'golden': golden, 'error': error})
            except ceph_errors.CephError as error:
                if self._published(golden, wish.image):
                    return Filled(golden)  # overtaken, and no harm done
                raise CacheUnusable(error.code, str(error)) from error

    def _published(self, golden: str, image: model.Image) -> bool:
        try:
            return self.store.usable(golden, image)
        except ceph_errors.CephError:
            return False  # the error that led here is the one to tell

    def _import_under_lease(self, wish: Wish, golden: str) -> Filled | None:
        partial = names.partial(golden)
        lease = leases.Lease(golden, secrets.token_hex(8), LEASE)
        pool = self.store.pool
        if not pool.leases.acquire(lease, _holder(partial)):
            return None
        try:
            self._clear_remains(golden)
            if self.store.usable(golden, wish.image):
                return Filled(golden)
            return self._import(wish, golden, partial, lease)
        except errors.ImageError as error:
            self._failures[golden] = (self._clock(), error)
            raise
        finally:
            pool.leases.release(lease)

    def _retire_unverified(self, golden: str) -> None:
        """Make room for an entry with a signature that was verified."""
        if self.store.pool.directory.exists(golden):
            LOG.info('The signature of %s was not verified when it was '
                     'imported: it was imported again', golden)
            self.store.retire(golden)

    def _import(self, wish: Wish, golden: str, partial: str,
                lease: leases.Lease) -> Filled:
        self._make_room(wish)
        pool = self.store.pool
        imported = self._importer.import_image(
            wish.image, wish.data, pool, partial, order=self._order,
            limit=wish.limit, progress=self._renewal(lease, wish.progress),
            project=wish.project)
        try:
            pool.leases.renew(lease)
            if wish.image.signature:
                self._retire_unverified(golden)
            self.store.publish(partial, golden, wish.image)
        except ceph_errors.CephError as error:
            self._drop(partial, error)
            if not isinstance(error, ceph_errors.ImageExists):
                raise
            return Filled(golden, bytes_moved=imported.bytes_moved)
        return Filled(golden, True, imported.bytes_moved)

    def _make_room(self, wish: Wish) -> None:
        size = wish.image.minimal_size or wish.limit
        incoming = math.ceil(size / model.GIB) * model.GIB
        plan = eviction.plan(self.store.entries(), incoming, self._limits,
                             self.store.in_use())
        if not plan.fits:
            raise CacheUnusable(
                'cache-full', f'{incoming // model.GIB} GiB do not fit into '
                'the cache: see image_volume_cache_max_size_gb, '
                'image_volume_cache_max_count and pinned entries')
        for old in plan.evict:
            self._evict(old, wish.events)

    def _evict(self, old: entry.Entry, events: model.Events) -> None:
        free = self.store.retire(old.name)
        LOG.info('Evicted %(name)s (image %(image)s) from the cache; its '
                 'space is %(state)s',
                 {'name': old.name, 'image': old.image_id, 'state': 'free'
                  if free else 'freed with the last of its volumes'})
        events.cache('evict', old.image_id)

    def _renewal(
            self, lease: leases.Lease,
            listener: Callable[[int, int], None] | None,
    ) -> Callable[[int, int], None]:
        """Renews the lease as long as the import makes progress."""
        renewed = self._clock()

        def progress(done: int, total: int) -> None:
            nonlocal renewed
            if listener is not None:
                listener(done, total)
            if self._clock() - renewed >= _RENEW:
                self.store.pool.leases.renew(lease)
                renewed = self._clock()

        return progress

    def _wait(self, golden: str) -> None:
        """Wait until nobody imports the image any more."""
        reported = self._clock()
        while True:
            holder = self.store.pool.leases.holder(golden)
            if holder is None:
                return
            if self._clock() - reported >= _REPORT:
                reported = self._clock()
                LOG.info('Waiting for %(golden)s, imported by %(host)s: '
                         '%(progress)s',
                         {'golden': golden, 'host': holder.get('host'),
                          'progress': self._progress(holder)})
            self._sleep(_POLL)

    def _progress(self, holder: dict[str, str]) -> str:
        try:
            metadata = self.store.pool.headers.metadata(holder['partial'])
        except ceph_errors.ImageNotFound:
            return 'not begun or just done'
        return metadata.get(model.PROGRESS_KEY, 'begun')

    def _raise_failure_since(self, golden: str, started: float) -> None:
        """A bad image is as bad for those who waited for it."""
        when, error = self._failures.get(golden, (-math.inf, None))
        if error is not None and when >= started:
            raise error

    def _clear_remains(self, golden: str) -> None:
        """Finish or remove what dead importers have left of this image."""
        pool = self.store.pool
        for remains in pool.directory.listed(names.PARTIAL + golden):
            try:
                if not pool.images.finish_rename(remains.name, golden):
                    self.store.drop(remains.name)
            except ceph_errors.CephError as error:
                LOG.warning('%(name)s is left to the sweep: %(error)s',
                            {'name': remains.name, 'error': error})

    def _drop(self, partial: str, first: ceph_errors.CephError) -> None:
        try:
            self.store.drop(partial)
        except ceph_errors.CephError as error:
            first.add_note(f'left to the sweep: {partial} ({error})')


def _holder(partial: str) -> dict[str, str]:
    return {'host': socket.gethostname(), 'partial': partial}
