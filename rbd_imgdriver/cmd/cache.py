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
import time
from typing import Any

from rbd_imgdriver.cache import check as cache_check
from rbd_imgdriver.cache import entry
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.cmd import cache_view
from rbd_imgdriver.cmd import durations
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import output
from rbd_imgdriver.cmd import prefetch
from rbd_imgdriver.cmd import session as sessions

Session = sessions.Session
Exit = exits.Exit

RESULTS = (
    output.Column('name', 'RBD IMAGE'),
    output.Column('image_id', 'IMAGE'),
    output.Column('result', 'RESULT'),
    output.Column('reason', 'REASON'),
)
FINDINGS = (
    output.Column('name', 'RBD IMAGE'),
    output.Column('code', 'FINDING'),
    output.Column('detail', 'DETAIL'),
    output.Column('repaired', 'REPAIRED', output.yes),
)


def add_to(nouns: Any, common: argparse.ArgumentParser) -> None:
    """Make the parsers of this noun."""
    noun = nouns.add_parser(
        'cache', help='the golden images of the image-volume cache',
        description='Look into and look after the image-volume cache of a '
        "backend's pool. An ENTRY is given by the image's id or by the name "
        'of its RBD image.')
    verbs = noun.add_subparsers(dest='verb_name', required=True,
                                metavar='VERB')

    def add(name: str, verb: Callable[..., Exit],
            text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = verbs.add_parser(
            name, parents=[common], help=text[0].lower() + text[1:-1],
            description=text)
        made.set_defaults(verb=verb)
        return made

    add('list', list_entries, 'List entries, imports under way and retired '
        'entries.')
    add('show', show, 'Show one entry and the volumes cloned from it.'
        ).add_argument('entry', metavar='ENTRY')
    prefetch.add_arguments(add(
        'prefetch', prefetch.prefetch,
        'Import images into the cache before they are needed.'))
    _entries(add('pin', pin, 'Keep entries whatever the limits.'))
    _entries(add('unpin', unpin, 'Let entries be evicted again.'))
    evicting = add('evict', evict, 'Evict entries; volumes cloned from them '
                   'keep their data.')
    _entries(evicting)
    _dry_run(evicting)
    pruning = add('prune', prune, 'Evict the entries that no volume is a '
                  'clone of and that are not pinned.')
    pruning.add_argument(
        '--older-than', type=durations.seconds, metavar='DURATION', default=0,
        help='only those not used for so long, for example 12h or 30d')
    _dry_run(pruning)
    checking = add('check', check, 'Look for damage and remains. Volumes are '
                   'never touched; a damaged entry is evicted by --repair.')
    checking.add_argument('--repair', action='store_true',
                          help='put right what is found')
    checking.add_argument(
        '--deep', action='store_true',
        help="also compare the data of raw images with Glance's digest; "
        'reads all of it')
    _dry_run(add('sweep', sweep, 'Remove what dead importers left, what '
                 'Glance no longer has, and retired entries that no volume '
                 'needs. cinder-volume does the same from time to time.'))


def list_entries(args: argparse.Namespace, session: Session) -> Exit:
    """``cache list``."""
    output.Output(args.format).records(
        cache_view.COLUMNS, cache_view.listed(session.backend.store))
    return Exit.OK


def show(args: argparse.Namespace, session: Session) -> Exit:
    """``cache show``."""
    store = session.backend.store
    for one in _find(session, [args.entry]):
        output.Output(args.format).record(
            cache_view.DETAILS, cache_view.of_entry(store, one))
    return Exit.OK


def pin(args: argparse.Namespace, session: Session) -> Exit:
    """``cache pin``."""
    return _each(args, _find(session, args.entries), 'pinned',
                 lambda one: session.backend.store.pin(one.name))


def unpin(args: argparse.Namespace, session: Session) -> Exit:
    """``cache unpin``."""
    return _each(args, _find(session, args.entries), 'unpinned',
                 lambda one: session.backend.store.unpin(one.name))


def evict(args: argparse.Namespace, session: Session) -> Exit:
    """``cache evict``."""
    found = _find(session, args.entries)
    pinned = [one.name for one in found if one.pinned]
    if pinned:
        raise exits.CommandError(
            Exit.FAILED, 'nothing was evicted, these are pinned: '
            + ', '.join(pinned))
    return _evict(args, session, found)


def prune(args: argparse.Namespace, session: Session) -> Exit:
    """``cache prune``."""
    store = session.backend.store
    latest = time.time() - args.older_than
    unused = [one for one in store.entries()
              if not one.pinned and one.last_used <= latest
              and not store.pool.usage.of(one.name).children]
    return _evict(args, session, unused)


def check(args: argparse.Namespace, session: Session) -> Exit:
    """``cache check``."""
    checking = cache_check.Check(
        session.backend.store, session.glance.has,
        _bars() if args.deep else None)
    found = checking.run(args.repair)
    output.Output(args.format).records(FINDINGS, [
        {'name': one.name, 'code': one.code, 'detail': one.detail,
         'repaired': one.repaired} for one in found])
    left = [one for one in found if not one.repaired]
    if any(one.code in cache_check.DAMAGE for one in left):
        return Exit.ERROR
    return Exit.WARNING if left else Exit.OK


def sweep(args: argparse.Namespace, session: Session) -> Exit:
    """``cache sweep``."""
    report = session.backend.sweep(session.glance.has, args.dry_run)
    done = {'removed': report.removed, 'finished': report.finished,
            'freed': report.freed, 'dropped': report.dropped}
    would = 'would be ' if args.dry_run else ''
    records = [{'name': name, 'result': would + what}
               for what, names in done.items() for name in names]
    records += [{'name': name, 'result': 'kept', 'reason': 'volumes need it'}
                for name in report.needed]
    records += [{'name': name, 'result': 'failed', 'reason': reason}
                for name, reason in report.kept]
    output.Output(args.format).records(RESULTS, records)
    return Exit.PARTIAL if report.kept else Exit.OK


def _bars() -> cache_check.Reading:
    """A progress bar for each entry that is read."""
    bars: dict[str, output.Progress] = {}

    def show(name: str, done: int, total: int) -> None:
        bar = bars.setdefault(name, output.Progress(name))
        bar.show(done, total)
        if done == total:
            bar.close()

    return show


def _evict(args: argparse.Namespace, session: Session,
           found: Iterable[entry.Entry]) -> Exit:
    if args.dry_run:
        return _each(args, found, 'would be evicted', lambda one: None)
    return _each(args, found, 'evicted',
                 lambda one: session.backend.store.retire(one.name))


def _each(args: argparse.Namespace, found: Iterable[entry.Entry], done: str,
          action: Callable[[entry.Entry], object]) -> Exit:
    """Do something to each entry and print what became of it."""
    records = []
    failed = 0
    for one in found:
        record = {'name': one.name, 'image_id': one.image_id, 'result': done}
        try:
            action(one)
        except ceph_errors.CephError as error:
            record.update(result='failed', reason=str(error))
            failed += 1
        records.append(record)
    output.Output(args.format).records(RESULTS, records)
    if not failed:
        return Exit.OK
    return Exit.FAILED if failed == len(records) else Exit.PARTIAL


def _find(session: Session, wanted: Iterable[str]) -> list[entry.Entry]:
    """The entries of these names or image ids.

    :raises exits.CommandError: when one of them names none
    """
    entries = session.backend.store.entries()
    found: dict[str, entry.Entry] = {}
    for name in wanted:
        named = {one.name: one for one in entries
                 if name in (one.name, one.image_id)}
        if not named:
            raise exits.CommandError(
                Exit.NOT_FOUND, f'the cache of pool '
                f'{session.backend.pool.name} has no entry {name}; '
                'nothing was done')
        found.update(named)
    return list(found.values())


def _entries(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('entries', nargs='+', metavar='ENTRY')


def _dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--dry-run', action='store_true',
                        help='say only what would be done')
