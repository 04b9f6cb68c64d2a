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
"""``leaks``: what deleted volumes have left behind."""

import argparse
from collections.abc import Callable
import time
from typing import Any

from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.chain import leaks as chain_leaks
from rbd_imgdriver.cmd import commands
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import output
from rbd_imgdriver.cmd import session as sessions

Session = sessions.Session
Exit = exits.Exit

_RATE = 5.0


class List(commands.Listing):
    """List what deleted volumes have left, and whether it may go.

    Finds snapshots, kept volumes and trash entries of a backend's pool that
    no volume needs any more; also those that Cinder's own RBD driver has
    left. Needs the [database] section of cinder.conf: a volume that Cinder
    knows is never touched.
    """

    columns = (
        output.Column('kind'),
        output.Column('name'),
        output.Column('size', output.size),
        output.Column('safe', output.yes),
        output.Column('reason'),
    )

    def records(self, args: argparse.Namespace) -> list[output.Record]:
        """Look for all of them."""
        found = list(_leaks(self.session).find())
        if any(leak.safe for leak in found):
            self.exit_code = Exit.WARNING
        return [_record(leak) | {'safe': leak.safe, 'reason': leak.reason}
                for leak in found]


class Repair(commands.Listing):
    """Remove what deleted volumes have left and nothing needs.

    The youngest generation goes first; may be done while Cinder runs.
    """

    columns = (
        output.Column('kind'),
        output.Column('name'),
        output.Column('size', output.size),
        output.Column('result'),
        output.Column('reason'),
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """How fast, if at all."""
        parser.add_argument('--dry-run', action='store_true',
                            help='say only what would be removed')
        parser.add_argument(
            '--rate', type=_rate, metavar='N', default=_RATE,
            help='remove at most N a second (default: %(default)g)')

    def records(self, args: argparse.Namespace) -> list[output.Record]:
        """Remove each, or say that it would be removed."""
        leaks = _leaks(self.session)
        action = _look_only if args.dry_run else _removal(leaks, args.rate)
        records = [action(leak) for leak in leaks.find() if leak.safe]
        if any(record['result'] == 'failed' for record in records):
            self.exit_code = Exit.PARTIAL
        return records


def _removal(leaks: chain_leaks.Leaks,
             rate: float) -> Callable[[chain_leaks.Leak], output.Record]:
    def remove(leak: chain_leaks.Leak) -> output.Record:
        began = time.monotonic()
        try:
            gone = leaks.repair(leak)
        except ceph_errors.CephError as error:
            return _record(leak) | {'result': 'failed', 'reason': str(error)}
        time.sleep(max(0.0, began + 1 / rate - time.monotonic()))
        if gone:
            return _record(leak) | {'result': 'removed', 'reason': ''}
        return _record(leak) | {'result': 'kept',
                                'reason': 'something needs it now'}

    return remove


def _look_only(leak: chain_leaks.Leak) -> output.Record:
    return _record(leak) | {'result': 'would be removed', 'reason': ''}


def _record(leak: chain_leaks.Leak) -> dict[str, Any]:
    return {'kind': leak.kind, 'name': leak.name, 'size': leak.size}


def _leaks(session: Session) -> chain_leaks.Leaks:
    backend = session.backend
    return chain_leaks.Leaks(backend.pool, backend.settings.chains.rules,
                             session.volume_status)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if rate <= 0:
        raise argparse.ArgumentTypeError(f'{text} is not a number above 0')
    return rate
