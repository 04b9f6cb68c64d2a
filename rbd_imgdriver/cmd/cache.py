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
"""``rbd-imgdriver-manage cache``: the golden images of a backend's pool."""

import argparse
from collections.abc import Callable
from collections.abc import Iterable
import logging
import time

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import prefetch as cache_prefetch
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.cmd import cache_view
from rbd_imgdriver.cmd import commands
from rbd_imgdriver.cmd import durations
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import output
from rbd_imgdriver.cmd import session as sessions
from rbd_imgdriver import errors

LOG = logging.getLogger(__name__)

Session = sessions.Session
Exit = exits.Exit

_ENTRY = "the image's id or name, or the name of its RBD image"


class List(commands.Listing):
    """List entries, imports under way and retired entries."""

    columns = cache_view.COLUMNS

    def records(self, args: argparse.Namespace) -> Iterable[output.Record]:
        """All that the pool has, and what is wanted there."""
        records = list(cache_view.listed(self.session.backend.store))
        prefetcher = self.session.backend.prefetcher
        if prefetcher is not None:
            try:
                records += cache_view.wanted(prefetcher, self.session.glance)
            except errors.ServiceError as error:
                LOG.warning('What is wanted cannot be shown: %s', error)
        return records


class Pause(commands.Doing):
    """Fetch no marked images for a while, on all hosts.

    What is under way is finished.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """For how long."""
        parser.add_argument(
            '--for', dest='seconds', type=durations.seconds,
            metavar='DURATION', default=86400,
            help='for so long, for example 2h or 7d (default: 1d)')

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Pause."""
        _prefetcher(self.session).pause(parsed_args.seconds)


class Resume(commands.Doing):
    """Fetch marked images again."""

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """End the pause."""
        _prefetcher(self.session).resume()


class Show(commands.Showing):
    """Show one entry and the volumes cloned from it."""

    columns = cache_view.DETAILS

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The entry."""
        parser.add_argument('entry', metavar='ENTRY', help=_ENTRY)

    def record(self, args: argparse.Namespace) -> output.Record:
        """What is known of it."""
        (one, *_) = _find(self.session, [args.entry])
        return cache_view.of_entry(self.session.backend.store, one)


class _Each(commands.Listing):
    """Does something to each entry."""

    columns = cache_view.RESULTS

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The entries."""
        parser.add_argument('entries', nargs='+', metavar='ENTRY',
                            help=_ENTRY)

    def each(self, found: Iterable[entry.Entry], done: str,
             action: Callable[[entry.Entry], object]) -> list[output.Record]:
        """Do something to each entry; the results."""
        records: list[output.Record] = []
        failed = 0
        for one in found:
            record = {'name': one.name, 'image_id': one.image_id,
                      'result': done}
            try:
                action(one)
            except ceph_errors.CephError as error:
                record.update(result='failed', reason=str(error))
                failed += 1
            records.append(record)
        if failed:
            self.exit_code = (Exit.FAILED if failed == len(records)
                              else Exit.PARTIAL)
        return records

    def evict(self, found: Iterable[entry.Entry],
              dry_run: bool) -> list[output.Record]:
        """Evict entries, or say so."""
        if dry_run:
            return self.each(found, 'would be evicted', lambda one: None)
        return self.each(found, 'evicted', lambda one:
                         self.session.backend.store.retire(one.name))


class Pin(_Each):
    """Keep entries whatever the limits."""

    def records(self, args: argparse.Namespace) -> list[output.Record]:
        """Pin them."""
        return self.each(
            _find(self.session, args.entries), 'pinned',
            lambda one: self.session.backend.store.pin(one.name))


class Unpin(_Each):
    """Let entries be evicted again."""

    def records(self, args: argparse.Namespace) -> list[output.Record]:
        """Unpin them."""
        return self.each(
            _find(self.session, args.entries), 'unpinned',
            lambda one: self.session.backend.store.unpin(one.name))


class Evict(_Each):
    """Evict entries; volumes cloned from them keep their data."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The entries."""
        super().add_arguments(parser)
        commands.add_dry_run(parser)

    def records(self, args: argparse.Namespace) -> list[output.Record]:
        """Evict them, unless one is pinned."""
        found = _find(self.session, args.entries)
        pinned = [one.name for one in found if one.pinned]
        if pinned:
            raise exits.CommandError(
                Exit.FAILED, 'nothing was evicted, these are pinned: '
                + ', '.join(pinned))
        return self.evict(found, args.dry_run)


class Prune(_Each):
    """Evict the entries that no volume is a clone of.

    Those that are pinned or marked stay.
    """

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Which of them."""
        parser.add_argument(
            '--older-than', type=durations.seconds, metavar='DURATION',
            default=0,
            help='only those not used for so long, for example 12h or 30d')
        commands.add_dry_run(parser)

    def records(self, args: argparse.Namespace) -> list[output.Record]:
        """Evict them."""
        store = self.session.backend.store
        latest = time.time() - args.older_than
        return self.evict(
            [one for one in store.entries()
             if not (one.pinned or one.held) and one.last_used <= latest
             and not store.pool.usage.of(one.name).children], args.dry_run)


def _prefetcher(session: Session) -> cache_prefetch.Prefetcher:
    found = session.backend.prefetcher
    if found is None:
        raise exits.CommandError(
            Exit.CONFIG, 'nothing is fetched ahead: set rbd_imgdriver_prefetch'
            ' and image_volume_cache_enabled in the section '
            f'{session.name} of cinder.conf')
    return found


def _find(session: Session, wanted: Iterable[str]) -> list[entry.Entry]:
    """The entries of these names or ids.

    :raises exits.CommandError: when one of them names none, or several images
        have the name
    """
    entries = session.backend.store.entries()
    found: dict[str, entry.Entry] = {}
    for name in wanted:
        named = ([one for one in entries if name in (one.name, one.image_id)]
                 or [one for one in entries if name == one.image_name])
        if not named:
            raise exits.CommandError(
                Exit.NOT_FOUND, f'the cache of pool '
                f'{session.backend.pool.name} has no entry {name}; '
                'nothing was done')
        # Whoever makes an image names it, also like somebody else's.
        ids = sorted({one.image_id for one in named})
        if len(ids) > 1:
            raise exits.CommandError(
                Exit.USAGE, f'{name} is the name of several images; nothing '
                f'was done, give an id: {", ".join(ids)}')
        found.update({one.name: one for one in named})
    return list(found.values())
