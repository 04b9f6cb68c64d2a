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

"""Tempest against a sandbox of its own.

    python3 -m tests.tempest [--driver intree]

First the tests of Tempest and cinder-tempest-plugin (include.txt without
exclude.txt), then, for our driver, those of this project's own plugin.  The
sandbox stays installed in .sandbox-tempest and is stopped at the end.  The
results are in .test-results/tempest-*.json; a run of our driver is compared
with the last one of the in-tree driver, if there was one.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import sys
import time

from sandbox import cinder
from sandbox import cloud
from sandbox import context
from sandbox import errors
from sandbox import layout
from sandbox import progress
from sandbox import settings
from tests.tempest import leftovers
from tests.tempest import run
from tests.tempest import summary
from tests.tempest import workspace

HERE = pathlib.Path(__file__).resolve().parent
SANDBOX = layout.CHECKOUT / '.sandbox-tempest'
RESULTS = layout.CHECKOUT / '.test-results'
DRIVERS = {'ours': settings.OUR_DRIVER, 'intree': cinder.IN_TREE}



@dataclasses.dataclass(frozen=True)
class Part:
    """Some tests and the cloud they need.

    :param stores: Glance's enabled_backends
    """

    include: str
    stores: str


# Tempest's image tests use every store that there is, and a store of Cinder
# volumes takes other images than they send.
PUBLIC = Part('include.txt', 'file:file, rbd:rbd, web:http')
OURS = Part('plugin.txt', settings.STORES)
PARTS = {'ours': (PUBLIC, OURS), 'intree': (PUBLIC,)}


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    parser = argparse.ArgumentParser(prog='python3 -m tests.tempest')
    parser.add_argument('--driver', choices=sorted(PARTS), default='ours')
    driver = parser.parse_args(arguments).driver
    progressing = progress.Progress()
    _sandbox(driver, PUBLIC).layout.prepare()
    try:
        report = _report(driver, progressing)
    except errors.SandboxError as error:
        print(error.explain(), file=sys.stderr)
        return 1
    finally:
        _cloud(driver, PUBLIC, progressing).down()
    report.save(_results(driver))
    return _tell(report, driver)


def _report(driver: str, progressing: progress.Progress) -> summary.Report:
    """Run everything for one driver."""
    outcomes: list[run.Outcome] = []
    seconds = 0.0
    before: set[str] | None = None
    for part in PARTS[driver]:
        sandbox = _sandbox(driver, part)
        _cloud(driver, part, progressing).up()
        where = workspace.Workspace(sandbox)
        where.prepare()
        if before is None:
            before = leftovers.unknown(sandbox)
        began = time.monotonic()
        with progressing.step(part.include), progressing.heartbeat():
            outcomes += run.tempest(
                where, HERE / part.include, HERE / 'exclude.txt')
        seconds += time.monotonic() - began
    left = sorted(leftovers.left(sandbox, before))
    return summary.Report(DRIVERS[driver], seconds, tuple(outcomes),
                          tuple(left))


def _sandbox(driver: str, part: Part) -> context.Context:
    return context.Context(
        layout.Layout(SANDBOX),
        settings.Settings(driver=DRIVERS[driver], backends=('img1', 'img2'),
                          stores=part.stores))


def _cloud(driver: str, part: Part,
           progressing: progress.Progress) -> cloud.Cloud:
    return cloud.Cloud(_sandbox(driver, part), progressing)


def _results(driver: str) -> pathlib.Path:
    return RESULTS / f'tempest-{driver}.json'


def _tell(report: summary.Report, driver: str) -> int:
    """Print what came out; the exit status."""
    for line in summary.lines(report):
        print(line)
    skipped: list[str] = []
    if driver == 'ours':
        try:
            intree = summary.Report.load(_results('intree'))
        except FileNotFoundError:
            print('the in-tree driver, to compare with: '
                  'make tempest DRIVER=intree')
        else:
            for line in summary.comparison(report, intree):
                print(line)
            skipped = summary.only_ours(report, intree, 'skip')
    print(report.counts)
    return 0 if report.good and not skipped else 1


if __name__ == '__main__':
    sys.exit(main())
