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
"""Fetches the images that operators mark, before anybody asks for them.

:mod:`rbd_imgdriver.cache.prefetch_plan` decides what is to be done.  That
prefetching is paused, and why the last attempt at an image failed, are leases
of the pool: all hosts see them, and they expire.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import socket
import time
from typing import Protocol

from oslo_log import log as logging

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import fill
from rbd_imgdriver.cache import prefetch_plan
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.cache import wish as wishes
from rbd_imgdriver.ceph.wire import leases
from rbd_imgdriver import errors
from rbd_imgdriver import model
from rbd_imgdriver import printable

LOG = logging.getLogger(__name__)

# Seconds until an image that failed is tried again.
_RETRY = 3600.0
_PAUSED = 'prefetch.paused'
_FAILED = 'prefetch.failed.'
# Of a note, which anybody may take back.
_COOKIE = 'note'


class Catalogue(Protocol):
    """Where marked images come from: Glance."""

    def offers(self, filters: Iterable[Mapping[str, str]],
               ) -> list[prefetch_plan.Offer]:
        """The active images that one of the filters finds.

        :raises rbd_imgdriver.errors.ServiceError: when it does not answer
        """

    def data(self, image: model.Image) -> model.ImageData:
        """An image's bytes."""


@dataclasses.dataclass(frozen=True)
class Report:
    """What was done; names of golden images."""

    fetched: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    released: tuple[str, ...] = ()


class Prefetcher:
    """Fetches for the cache of one pool.

    :param clonable: whether volumes of an image are clones without a cache
    :param clock: seconds since the epoch
    """

    def __init__(self, store: cache_store.Store, filler: fill.Filler,
                 rules: prefetch_plan.Rules,
                 clonable: Callable[[model.Image], bool],
                 clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._leases = store.pool.leases
        self._filler = filler
        self._rules = rules
        self._clonable = clonable
        self._clock = clock

    def plan(self, catalogue: Catalogue) -> prefetch_plan.Plan:
        """What is to be done.

        :raises rbd_imgdriver.errors.ServiceError: when Glance does not answer
        """
        offers = catalogue.offers(self._rules.filters)
        obstacles = {one.golden: why for one in offers
                     if (why := self._obstacle(one))}
        return prefetch_plan.plan(
            offers, prefetch_plan.Seen(self._store.entries(), obstacles,
                               self._clock()), self._rules, self._clonable)

    def run(self, catalogue: Catalogue, events: model.Events) -> Report:
        """Fetch what is to be fetched, and hold what is to be held.

        :raises rbd_imgdriver.errors.ServiceError: when Glance does not answer
        """
        found = self.plan(catalogue)
        for name in found.hold:
            self._store.note(name, entry.hold())
        for name in found.release:
            self._store.release(name)
            LOG.info('%s is no longer held in the cache: newer images of its '
                     'family are there, or it is no longer marked', name)
        done: dict[bool, list[str]] = {True: [], False: []}
        for offer in found.fetch:
            if self.paused():
                break
            done[self._fetch(offer, catalogue, events)].append(offer.golden)
        return Report(tuple(done[True]), tuple(done[False]), found.release)

    def pause(self, seconds: float) -> None:
        """Let every host fetch nothing for so long; until then, again."""
        self.resume()
        self._leases.acquire(leases.Lease(_PAUSED, _COOKIE, seconds),
                             {'host': socket.gethostname()})

    def resume(self) -> None:
        """End a pause."""
        self._leases.drop(_PAUSED)

    def paused(self) -> bool:
        """Whether somebody has paused it."""
        return self._leases.holder(_PAUSED) is not None

    def _obstacle(self, offer: prefetch_plan.Offer) -> str | None:
        """Why an image cannot be fetched now."""
        if self._leases.holder(offer.golden) is not None:
            return 'importing'
        failed = self._leases.holder(_FAILED + offer.image.id)
        return failed['reason'] if failed else None

    def _fetch(self, offer: prefetch_plan.Offer, catalogue: Catalogue,
               events: model.Events) -> bool:
        """Import one image; whether that succeeded."""
        image = offer.image
        LOG.info('Fetching image %(image)s (%(name)s) into the cache, ahead '
                 'of its first use',
                 {'image': image.id, 'name': printable.one_line(image.name)})
        try:
            filled = self._filler.fill(wishes.Wish(
                image, catalogue.data(image), events, offer.disk or 0))
        except (errors.ImageError, wishes.CacheUnusable) as error:
            LOG.warning('Image %(image)s could not be fetched into the cache, '
                        'and is tried again in an hour: %(error)s',
                        {'image': image.id, 'error': error})
            self._leases.acquire(
                leases.Lease(_FAILED + image.id, _COOKIE, _RETRY),
                {'host': socket.gethostname(),
                 'reason': f'{error.code}: {error}'})
            return False
        self._store.note(filled.golden, entry.hold())
        self._leases.drop(_FAILED + image.id)
        return True


def described(plan: prefetch_plan.Plan,
              paused: bool) -> list[tuple[prefetch_plan.Offer, str]]:
    """The images that are wanted and not there, each with a reason."""
    reason = 'paused' if paused else 'next'
    return [*((one, reason) for one in plan.fetch), *plan.waiting]
