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
from collections.abc import Iterator
import contextlib
import secrets
import socket
import time

from oslo_log import log as logging

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import eviction
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.cache import verdict as verdicts
from rbd_imgdriver.cache import wish as wishes
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.wire import leases
from rbd_imgdriver import errors
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer import target as targets
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from rbd_imgdriver import undo

LOG = logging.getLogger(__name__)

# Seconds.  A dead importer is replaced within the lease's time and a poll; a
# live one renews several times within it.
LEASE = 20.0
_RENEW = 4.0
_POLL = 0.5
_REPORT = 10.0


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
        self._verdicts: dict[str, verdicts.Verdict] = {}

    def fill(self, wish: wishes.Wish) -> wishes.Filled:
        """Have the image in the cache, by importing or by waiting.

        :raises wishes.CacheUnusable: when the cache cannot take it
        :raises rbd_imgdriver.errors.ImageError: when the image cannot be used
        """
        golden = wish.golden
        with self._verdict(golden) as verdict:
            while True:
                verdict.raise_again()
                try:
                    filled = self._import_under_lease(wish, golden, verdict)
                    if filled is not None:
                        return filled
                    self._wait(golden)
                    if self.store.usable(golden, wish.image):
                        return wishes.Filled(golden)
                except leases.LeaseLost as error:
                    LOG.warning(
                        'Import of %(golden)s was overtaken: %(error)s',
                        {'golden': golden, 'error': error})
                except ceph_errors.CephError as error:
                    if self._published(golden, wish.image):
                        return wishes.Filled(golden)  # overtaken, no harm
                    raise wishes.CacheUnusable(
                        error.code, undo.explained(error)) from error

    @contextlib.contextmanager
    def _verdict(self, golden: str) -> Iterator[verdicts.Verdict]:
        """What is found about an image, as long as somebody waits for it."""
        verdict = self._verdicts.setdefault(golden, verdicts.Verdict())
        verdict.waiting += 1
        try:
            yield verdict
        finally:
            verdict.waiting -= 1
            if not verdict.waiting:
                self._verdicts.pop(golden, None)

    def _published(self, golden: str, image: model.Image) -> bool:
        try:
            return self.store.usable(golden, image)
        except ceph_errors.CephError:
            return False  # the error that led here is the one to raise

    def _import_under_lease(self, wish: wishes.Wish, golden: str,
                            verdict: verdicts.Verdict) -> wishes.Filled | None:
        partial = temporary.new_name(golden)
        lease = leases.Lease(golden, secrets.token_hex(8), LEASE)
        pool = self.store.pool
        if not pool.leases.acquire(lease, _holder(partial)):
            return None
        try:
            self._clear_remains(golden)
            state = self.store.mend(golden)
            if state is entry.State.ENTRY and self.store.verified(
                    golden, wish.image):
                return wishes.Filled(golden)
            if state not in (entry.State.ABSENT, entry.State.ENTRY):
                raise wishes.CacheUnusable(
                    'name-taken', f'{golden} is {state.value}: see '
                    '"rbd-imgdriver-manage cache check"')
            return self._import(wish, golden, partial, lease)
        except errors.ImageError as error:
            verdict.note(error)
            raise
        finally:
            pool.leases.release(lease)

    def _retire_unverified(self, golden: str) -> None:
        """Make room for an entry with a signature that was verified."""
        if self.store.has(golden):
            LOG.info('The signature of %s was not verified when it was '
                     'imported: it was imported again', golden)
            self.store.retire(golden)

    def _import(self, wish: wishes.Wish, golden: str, partial: str,
                lease: leases.Lease) -> wishes.Filled:
        made = wish.encrypting
        # A first look, which spares a download in vain.
        self._plan(golden, wish.image.minimal_size or 0)

        def publish(whole: image_importer.Imported) -> None:
            self._plan(golden, whole.size)
            self.store.pool.leases.renew(lease)
            if wish.image.signature:
                self._retire_unverified(golden)
            more = made.finish(whole) if made else {}
            self.store.publish(whole.name, golden, wish.image, more)

        target = targets.Target(
            self.store.pool, golden, self._order, wish.limit,
            encryption=made.encryption if made else None,
            project=wish.project, partial=partial)
        imported = self._importer.import_image(
            wish.image, wish.data, target, publish=publish,
            progress=self._renewal(lease, wish.progress),
            golden=made.plain if made else None)
        self._keep_limits(golden, imported.size, wish.events)
        return wishes.Filled(golden, True, imported.bytes_moved)

    def _plan(self, golden: str, size: int) -> tuple[entry.Entry, ...]:
        """What has to go for an entry of that size in bytes.

        :raises wishes.CacheUnusable: when there can be no room for it
        """
        incoming = model.whole_gib(size)
        others = [one for one in self.store.entries() if one.name != golden]
        plan = eviction.plan(others, incoming, self._limits,
                             self.store.in_use())
        if not plan.fits:
            raise wishes.CacheUnusable(
                'cache-full', f'{incoming // model.GIB} GiB do not fit into '
                'the cache: see image_volume_cache_max_size_gb, '
                'image_volume_cache_max_count and pinned entries')
        return plan.evict

    def _keep_limits(self, golden: str, size: int,
                     events: model.Events) -> None:
        """Make the room that a new entry takes, now that it is there.

        Not before: nothing is evicted for an image that proves to be bad, or
        smaller than was feared.  What cannot be evicted now is the next
        new entry's to evict.
        """
        try:
            for old in self._plan(golden, size):
                self._evict(old, events)
        except (wishes.CacheUnusable, ceph_errors.CephError) as error:
            LOG.warning('The cache is over its limits for now: %s', error)

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

    def _clear_remains(self, golden: str) -> None:
        """Finish or remove what dead importers have left of this image.

        Under its lease nobody but they can have made them; an importer that
        has only lost its lease still has its image open.
        """
        pool = self.store.pool
        for remains in pool.directory.listed(temporary.PREFIX + golden):
            try:
                if entry.is_own(remains.id, remains.metadata) and (
                        pool.images.finish_rename(remains.name, golden,
                                                  remains.id)):
                    continue
                if (temporary.is_marked(remains.id, remains.metadata)
                        or entry.is_own(remains.id, remains.metadata)):
                    self.store.drop(remains.name, remains.id)
            except ceph_errors.CephError as error:
                LOG.warning('%(name)s is left to the sweep: %(error)s',
                            {'name': remains.name, 'error': error})


def _holder(partial: str) -> dict[str, str]:
    return {'host': socket.gethostname(), 'partial': partial}
