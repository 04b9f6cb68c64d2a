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
"""Remove what the cache no longer needs: safe at any time, on any host."""

from collections.abc import Callable
import dataclasses
import time

from oslo_log import log as logging

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import names
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver.importer import temporary

LOG = logging.getLogger(__name__)

# Seconds after which an image that nobody has open has been left: more than
# the moment between making and opening it, and than clocks may differ.
_UNSURE = 600.0


@dataclasses.dataclass(frozen=True)
class Report:
    """What a sweep did; names of RBD images.

    :param removed: partial images whose importer is dead; only those that
        carry our mark
    :param finished: entries whose publication was completed
    :param freed: retired entries whose last volume has gone
    :param dropped: entries whose image Glance no longer has, that have lost
        their snapshot, or whose ciphertext no volume can open any more
    :param needed: retired entries that volumes still need
    :param kept: what could not be dealt with, and why
    """

    removed: tuple[str, ...] = ()
    finished: tuple[str, ...] = ()
    freed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    kept: tuple[tuple[str, str], ...] = ()


class Sweep:
    """Sweeps the cache of one pool.

    :param in_glance: whether Glance still has the image of that id
    :param dry_run: whether to say only what would be done
    :param clock: seconds since the epoch
    """

    def __init__(self, store: cache_store.Store,
                 in_glance: Callable[[str], bool],
                 dry_run: bool = False,
                 clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._pool = store.pool
        self._in_glance = in_glance
        self._dry_run = dry_run
        self._clock = clock
        self._done: dict[str, list[str]] = {}
        self._kept: list[tuple[str, str]] = []

    def run(self) -> Report:
        """Sweep once."""
        self._partials()
        self._broken()
        self._orphans()
        self._unopenable()
        self._retired()
        if not self._dry_run:
            self._pool.leases.tidy()
        return Report(kept=tuple(self._kept),
                      **{what: tuple(done)
                         for what, done in self._done.items()})

    def _partials(self) -> None:
        for image in self._pool.directory.listed(temporary.PREFIX):
            golden = temporary.final_name(image.name)
            if self._is_alive(image, golden):
                continue
            if self._is_half_renamed(image, golden):
                self._act('finished', golden, self._pool.images.finish_rename,
                          image.name, golden, image.id)
            elif (temporary.is_marked(image.id, image.metadata)
                    or entry.is_own(image.id, image.metadata)):
                self._act('removed', image.name, self._store.drop,
                          image.name, image.id)

    def _is_alive(self, image: directory.Listed, golden: str) -> bool:
        """Whether somebody is still writing a partial image.

        A live import has its image open from the moment after it was made.
        In that moment an import into the cache already holds a lease; any
        other image is too young.  The lease is looked at after the image was
        listed, and taken before it was made.
        """
        if self._pool.usage.is_watched(image.id):
            return True
        if image.name.endswith(temporary.SOURCE) or not golden.startswith(
                names.GOLDEN):
            return self._clock() - image.created < _UNSURE
        holder = self._pool.leases.holder(golden)
        return holder is not None and holder.get('partial') == image.name

    def _is_half_renamed(self, image: directory.Listed, golden: str) -> bool:
        return (entry.is_own(image.id, image.metadata)
                and self._pool.directory.exists(golden)
                and self._pool.directory.id(golden) == image.id)

    def _broken(self) -> None:
        """Entries without their snapshot: nothing can be cloned from them."""
        for one in self._store.entries():
            if self._store.is_broken(one.name):
                self._act('dropped', one.name, self._store.retire, one.name)

    def _orphans(self) -> None:
        for one in self._store.entries():
            if not self._in_glance(one.image_id):
                self._act('dropped', one.name, self._store.retire, one.name)

    def _unopenable(self) -> None:
        """Golden ciphertexts without a volume: nobody has their key."""
        for one in self._store.entries():
            if (one.encrypted and self._clock() - one.created > _UNSURE
                    and not self._pool.usage.of(one.name).children):
                self._act('dropped', one.name, self._store.retire, one.name)

    def _retired(self) -> None:
        for image in self._store.retired(self._clock()):
            try:
                needed = self._is_needed(image.id)
            except ceph_errors.CephError as error:
                self._kept.append((image.name, str(error)))
                continue
            if needed:
                self._done.setdefault('needed', []).append(image.name)
            else:
                self._report('freed', image.name)

    def _is_needed(self, id_: str) -> bool:
        """Whether something needs a retired entry; frees it if not."""
        if self._dry_run:
            usage = self._pool.usage.of_trashed(id_)
            return bool(usage.children
                        or set(usage.snapshots) - {names.SNAPSHOT})
        return not self._store.free(id_)

    def _act(self, what: str, name: str, action: Callable[..., object],
             *args: str) -> None:
        try:
            if not self._dry_run:
                action(*args)
        except ceph_errors.CephError as error:
            self._kept.append((name, str(error)))
            return
        self._report(what, name)

    def _report(self, what: str, name: str) -> None:
        self._done.setdefault(what, []).append(name)
        LOG.info('Cache sweep %(mode)s %(what)s: %(name)s',
                 {'mode': 'would have' if self._dry_run else 'has',
                  'what': what, 'name': name})
