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

"""Run the test suites, show what they do, and end with one line of counts.

    python -m tools.run_tests [--pytest-args ARGS] [suite ...]

Without arguments all suites run but those of BY_HAND, also after one of them
has failed.  The last line is "N passed, N failed, N skipped" over all of them;
a suite that is not pytest's counts each of its checks as one test.  The exit
status is 0 only if something ran and nothing failed.

What a suite has started and left running, daemons included, is stopped by its
process id and counts as a failure: tests leave nothing behind.
"""

import argparse
from collections.abc import Iterator
import contextlib
import dataclasses
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time

from tools import counts as counting
from tools import processes

TOP = pathlib.Path(__file__).resolve().parent.parent
RESULTS = TOP / '.test-results'
BIN = pathlib.Path(sys.executable).parent
SANDBOX = TOP / '.sandbox-e2e'
# They take long, or need what the other suites do not.
BY_HAND = {'mirror'}
# Of a failed check's output: more than this is not read by anybody.
OUTPUT_LINES = 100


@dataclasses.dataclass
class Check:
    """A command that passes or fails as a whole.

    :param skip: why it cannot run here, or ''
    """

    name: str
    command: list[str]
    skip: str = ''


@dataclasses.dataclass
class Checks:
    """A suite of commands."""

    minutes: int
    checks: list[Check]


@dataclasses.dataclass
class Pytest:
    """A suite of tests in a directory.

    :param sandbox: whether they need a sandbox; they get a fresh one, apart
        from the developer's own, and it is removed again
    :param workers: processes that share the tests.  One that hangs or dies is
        replaced, and only the test that it was running has failed; 0: none,
        the tests run in pytest's own process
    """

    minutes: int
    directory: str
    options: tuple[str, ...] = ()
    sandbox: bool = False
    workers: int = 0


def tracked(*patterns: str) -> list[str]:
    """The files of the project, whether they are committed yet or not."""
    listed = git('ls-files', '--cached', '--others', '--exclude-standard',
                 '--', *patterns)
    return [name for name in listed.split() if (TOP / name).exists()]


def shallow() -> bool:
    return git('rev-parse', '--is-shallow-repository').strip() == 'true'


def git(*arguments: str) -> str:
    return subprocess.run(['git', *arguments], cwd=TOP, check=True,
                          capture_output=True, text=True).stdout


def module(name: str, *arguments: str) -> list[str]:
    return [sys.executable, '-m', name, *arguments]


def suites() -> dict[str, Checks | Pytest]:
    # Templates become scripts only when they are filled in.
    scripts = [name for name in tracked(':!*/templates/*')
               if name.endswith('.sh') or _is_shell(TOP / name)]
    return {
        'lint': Checks(10, [
            Check('ruff', module('ruff', 'check', '--quiet', '.')),
            Check('isort', module('isort', '--check', '--quiet', '.')),
            Check('hacking', module('flake8')),
            Check('doc8', module('doc8', '--quiet', *tracked('*.rst'))),
            Check('english', module('tools.check_english', *tracked(
                '*.py', '*.rst', '*.sh', '*.yaml', 'Makefile'))),
            Check('bashate', [str(BIN / 'bashate'), *scripts]),
            Check('shellcheck', ['shellcheck', *scripts]),
        ]),
        'types': Checks(10, [Check('mypy', module('mypy'))]),
        'unit': Pytest(10, 'tests/unit', workers=2),
        'contract': Pytest(10, 'tests/contract'),
        'docs': Checks(10, [
            Check('package', module(
                'build', '--no-isolation', '--outdir',
                str(RESULTS / 'dist'), str(TOP))),
            Check('architecture', module('tools.draw_architecture',
                                         '--check')),
            Check('sample-config', [str(TOP / 'tools/sample-config.sh')]),
            Check('reno', [str(BIN / 'reno'), '-q', 'lint', str(TOP)],
                  skip='it needs the whole history' if shallow() else ''),
            Check('sphinx', module(
                'sphinx', '-W', '--keep-going', '-q', '-b', 'html',
                str(TOP / 'doc/source'), str(TOP / 'doc/build/html'))),
            Check('man', module(
                'sphinx', '-W', '--keep-going', '-q', '-b', 'man',
                str(TOP / 'doc/source'), str(TOP / 'doc/build/man'))),
        ]),
        'functional': Pytest(60, 'tests/functional', workers=3),
        'devstack': Pytest(10, 'tests/devstack'),
        'mirror': Pytest(30, 'tests/mirror', ('--timeout=900',)),
        'e2e': Pytest(40 if os.environ.get('SANDBOX_NOVA') else 30,
                      'tests/e2e', ('--timeout=600',), sandbox=True),
    }


def _is_shell(path: pathlib.Path) -> bool:
    try:
        with path.open('rb') as stream:
            first = stream.readline(80)
    except OSError:
        return False
    return first.startswith(b'#!') and first.rstrip().endswith(b'sh')


def say(text: str = '') -> None:
    print(text, flush=True)


def run_checks(suite: Checks, deadline: float) -> counting.Counts:
    counts = counting.Counts()
    for check in suite.checks:
        if check.skip:
            counts.skipped += 1
            say(f'  {check.name:<14} skipped: {check.skip}')
            continue
        started = time.monotonic()
        process = processes.Process(check.command, TOP,
                                    stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT)
        status, output = process.wait(deadline)
        if status == 0:
            counts.passed += 1
        else:
            counts.failed += 1
            say('\n'.join(output.splitlines()[-OUTPUT_LINES:]))
        say(f'  {check.name:<14} {"ok" if status == 0 else "FAILED":<7}'
            f'{time.monotonic() - started:6.1f}s')
    return counts


def run_pytest(suite: Pytest, deadline: float,
               arguments: list[str]) -> counting.Counts:
    name = pathlib.Path(suite.directory).name
    # Two runs may go on in one checkout.
    report = RESULTS / f'{name}-{os.getpid()}.xml'
    # Each worker has a cluster of its own, if it needs one.
    spread = (f'--numprocesses={suite.workers}', '--dist=worksteal')
    some = any(word.startswith(suite.directory) for word in arguments)
    process = processes.Process(
        module('pytest', *(() if some else (suite.directory,)),
               f'--junitxml={report}',
               *(spread if suite.workers else ()), *suite.options,
               *arguments), TOP)
    status, _ = process.wait(deadline)
    counts = counting.read_report(report)
    if report.exists():
        report.replace(RESULTS / f'{name}.xml')
    if status != 0 and counts.failed == 0:
        say(f'pytest ended with status {status}')
        counts.failed = 1
    return counts


@contextlib.contextmanager
def sandbox(deadline: float) -> Iterator[None]:
    """A sandbox of this run's own; what it did last is kept."""
    os.environ['SANDBOX_DIR'] = str(SANDBOX)
    os.environ.setdefault('SANDBOX_VOLUME_HOSTS', '2')
    # The one that "make sandbox-up" uses.
    command = ['/usr/bin/python3', '-m', 'sandbox']
    try:
        for verb in (['purge'] if SANDBOX.exists() else []) + ['up']:
            status, _ = processes.Process([*command, verb], TOP).wait(
                deadline)
            if status:
                raise subprocess.CalledProcessError(status, f'sandbox {verb}')
        yield
    finally:
        logs = RESULTS / 'sandbox-logs'
        shutil.rmtree(logs, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.copytree(SANDBOX / 'logs', logs)
        processes.Process([*command, 'purge'], TOP).wait(
            time.monotonic() + processes.GRACE)


def run(name: str, suite: Checks | Pytest,
        arguments: list[str]) -> counting.Counts:
    deadline = time.monotonic() + suite.minutes * 60
    try:
        if isinstance(suite, Checks):
            counts = run_checks(suite, deadline)
        elif suite.sandbox:
            with sandbox(deadline):
                counts = run_pytest(suite, deadline, arguments)
        else:
            counts = run_pytest(suite, deadline, arguments)
    except subprocess.TimeoutExpired:
        say(f'{name}: not finished after {suite.minutes} minutes')
        counts = counting.Counts(failed=1)
    except subprocess.CalledProcessError as error:
        say(f'{name}: {error}')
        counts = counting.Counts(failed=1)
    finally:
        left = processes.stop_leftovers()
        for pid, line in left.items():
            say(f'left running: {pid} {line[:120]}')
    if left:
        counts.failed += 1
    return counts


def interrupted(number, frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def main() -> int:
    known = suites()
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('suite', nargs='*',
                        help='of: %s; default: all but %s' % (
                            ', '.join(known), ', '.join(BY_HAND)))
    parser.add_argument('--pytest-args', default='', metavar='ARGS',
                        help='for example "-k clone -x"')
    options = parser.parse_args()
    for name in options.suite:
        if name not in known:
            parser.error(f'there is no suite {name}')
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, interrupted)
    processes.adopt_orphans()
    RESULTS.mkdir(exist_ok=True)

    total = counting.Counts()
    lines = []
    status = 0
    try:
        for name in options.suite or [name for name in known
                                      if name not in BY_HAND]:
            say(f'=== {name}')
            started = time.monotonic()
            counts = run(name, known[name], shlex.split(options.pytest_args))
            total.add(counts)
            lines.append(f'{name:<12}{counts!s:<36}'
                         f'{time.monotonic() - started:7.1f}s')
            say(f'--- {lines[-1]}')
    except KeyboardInterrupt as signalled:
        say(f'\nstopped: {signalled or "SIGINT"}')
        status = 130
    say()
    for line in lines:
        say(line)
    say(str(total))
    if total.failed or not total.passed:
        status = status or 1
    return status


if __name__ == '__main__':
    sys.exit(main())
