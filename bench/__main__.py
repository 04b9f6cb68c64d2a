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

"""The command line: python -m bench [--quick] [case ...]."""

from __future__ import annotations

import argparse
import pathlib
import signal
import sys
import time
from typing import Any

from bench import cases
from bench import charts
from bench import lab as labs
from bench import machine
from bench import report
from bench import results
from bench import scale as scales
from tools import readme

TOP = pathlib.Path(__file__).resolve().parent.parent
RESULTS = TOP / 'bench' / 'results.json'
DOC = TOP / 'doc' / 'source'


def main() -> int:
    """Run what the command line says; 0 when all of it could be measured."""
    options = _parser().parse_args()
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, _interrupted)  # and everything is stopped
    chosen = options.case or list(cases.ALL)
    run = machine.facts('quick' if options.quick else 'full')
    print(f'Measuring on {machine.describe(run)}', flush=True)
    found: list[results.Result] = []
    try:
        failed = _measure(options.quick, chosen, found)
    finally:
        # Also of a run that was interrupted.
        _report(found, run, keep=bool(options.case))
    for name in failed:
        print(f'{name} could not be measured', file=sys.stderr)
    return 1 if failed else 0


def _report(found: list[results.Result], run: dict[str, Any],
            keep: bool) -> None:
    """Print the results and put them where they belong."""
    if not found:
        return
    if not keep:  # a few cases would not say it of all
        found += results.connections(
            [one for one in found if one.name not in cases.CONNECTING])
    records = results.save(RESULTS, found, run, keep)
    names = {one.name for one in found}
    print(report.table([one for one in records if one['name'] in names]))
    print(f'all figures: {RESULTS}')
    if run['scale'] == 'full':
        _document(records)


def _interrupted(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _document(records: list[dict[str, Any]]) -> None:
    """Put the results into the documentation and the README."""
    (DOC / 'benchmarks.inc').write_text(report.rest(records))
    made = charts.charts(records)
    for chart in made:
        (DOC / f'{chart.name}.svg').write_text(chart.svg)
    (DOC / 'benchmarks-plots.inc').write_text(charts.figures(made))
    if set(readme.CASES) <= {one['name'] for one in records}:
        readme.README.write_text(readme.renewed(
            readme.README.read_text(), records))


def _measure(quick: bool, chosen: list[str],
             found: list[results.Result]) -> list[str]:
    """Measure cases.

    :param found: where the results go as soon as they are known
    :returns: the cases that failed
    """
    failed = []
    scale = scales.QUICK if quick else scales.FULL
    with labs.Lab(TOP / '.bench', scale).running() as lab:
        for name in chosen:
            started = time.monotonic()
            try:
                for one in cases.CASES[name](lab):
                    found.append(one)
                    labs.say(report.table([one.as_json()]).splitlines()[1])
            except Exception as error:
                labs.say(f'{name}: {error}')
                failed.append(name)
            labs.say(f'{name} took {time.monotonic() - started:.0f} s')
    return failed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='python -m bench',
                                     description='Compare the drivers.')
    parser.add_argument('--quick', action='store_true',
                        help='little of everything, in few rounds')
    parser.add_argument('case', nargs='*', choices=[[], *cases.CASES],
                        metavar='case',
                        help='of: %s; default: all' % ', '.join(cases.CASES))
    return parser


if __name__ == '__main__':
    sys.exit(main())
