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
"""``cache check`` and ``cache sweep``: damage, and what nobody needs."""

import argparse

from rbd_imgdriver.cache import check as cache_check
from rbd_imgdriver.cmd import cache_view
from rbd_imgdriver.cmd import commands
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import output

Exit = exits.Exit


class Check(commands.Listing):
    """Look for damage and remains.

    Volumes are never touched; a damaged entry is evicted by --repair.
    """

    columns = (
        output.Column('name'),
        output.Column('code'),
        output.Column('detail'),
        output.Column('repaired', output.yes),
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """How much is done."""
        parser.add_argument('--repair', action='store_true',
                            help='put right what is found')
        parser.add_argument(
            '--deep', action='store_true',
            help="also compare the data of raw images with Glance's digest; "
            'reads all of it')

    def records(self, args: argparse.Namespace) -> list[output.Record]:
        """Look, and repair if that is asked for."""
        checking = cache_check.Check(
            self.session.backend.store, self.session.glance.has,
            _bars() if args.deep else None)
        found = checking.run(args.repair)
        left = [one for one in found if not one.repaired]
        if left:
            self.exit_code = (
                Exit.ERROR if any(one.code in cache_check.DAMAGE
                                  for one in left) else Exit.WARNING)
        return [{'name': one.name, 'code': one.code, 'detail': one.detail,
                 'repaired': one.repaired} for one in found]


class Sweep(commands.Listing):
    """Remove what nobody needs.

    That is what dead importers left, what Glance no longer has, and retired
    entries that no volume needs. cinder-volume does the same from time to
    time.
    """

    columns = cache_view.RESULTS

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Whether it is done."""
        commands.add_dry_run(parser)

    def records(self, args: argparse.Namespace) -> list[output.Record]:
        """Sweep."""
        report = self.session.backend.sweep(self.session.glance.has,
                                            args.dry_run)
        done = {'removed': report.removed, 'finished': report.finished,
                'freed': report.freed, 'dropped': report.dropped}
        would = 'would be ' if args.dry_run else ''
        records: list[output.Record] = [
            {'name': name, 'result': would + what}
            for what, names in done.items() for name in names]
        records += [{'name': name, 'result': 'kept',
                     'reason': 'volumes need it'} for name in report.needed]
        records += [{'name': name, 'result': 'failed', 'reason': reason}
                    for name, reason in report.kept]
        if report.kept:
            self.exit_code = Exit.PARTIAL
        return records


def _bars() -> cache_check.Reading:
    """A progress bar for each entry that is read."""
    bars: dict[str, output.Progress] = {}

    def show(name: str, done: int, total: int) -> None:
        bar = bars.setdefault(name, output.Progress(name))
        bar.show(done, total)
        if done == total:
            bar.close()

    return show
