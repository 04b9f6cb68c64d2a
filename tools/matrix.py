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
"""Run the unit, contract and functional tests on other releases.

    make matrix                 # all of them
    python3 -m tools.matrix cinder-26 trixie
    python3 -m tools.matrix sid --suites unit contract functional/chain

Each gets an environment of its own in .matrix/, which is kept for the next
run: for each release of Cinder a virtual environment with the libraries of
tools/constraints.txt, and for Debian 13 and sid (their Ceph, their Python) a
root made with debootstrap.  "16-on-20" and "18-on-20" are the clients of this
Debian and of Debian 13 with a cluster of sid; only functional tests that leave
the cluster's daemons alone can be run there.

The last lines are a table; the same goes to doc/source/_static/matrix.json,
which the documentation prints.  What is known of suites that are not run
stays there, each with its date and commit.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import dataclasses
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import time
from typing import Any

from tools import debian_root

TOP = pathlib.Path(__file__).resolve().parents[1]
HOME = debian_root.HOME
RESULTS = TOP / 'doc/source/_static/matrix.json'
SUITES = ('unit', 'contract', 'functional')
PYTHON = '/usr/bin/python3'

# What the tests need of another Debian beside bindep.txt's packages.
DEBIAN_PACKAGES = (
    'python3', 'python3-venv', 'python3-dev', 'gcc', 'libc6-dev', 'git',
    'ca-certificates', 'ceph-mon', 'ceph-mgr', 'ceph-osd', 'ceph-common',
    'python3-rados', 'python3-rbd', 'qemu-utils', 'qemu-block-extra',
    'bubblewrap', 'cryptsetup-bin', 'openssl', 'procps', 'iproute2',
    'libffi-dev', 'libpq-dev', 'libmariadb-dev', 'pkg-config', 'xz-utils',
    'curl')

# What the tests need of the package index beside the project's requirements.
TOOLS = ('pytest', 'pytest-timeout', 'pytest-xdist', 'hypothesis',
         'prometheus-client', 'matplotlib', 'pbr', 'setuptools', 'wheel',
         'build')


@dataclasses.dataclass(frozen=True)
class Result:
    """How the tests went on one release.

    :param suites: of each suite that was run, the counts of passed, failed
        and skipped tests, the date and the commit
    """

    name: str
    cinder: str
    ceph: str
    python: str
    suites: dict[str, dict[str, Any]]
    seconds: int

    @property
    def failed(self) -> int:
        return sum(one['failed'] for one in self.suites.values())

    @property
    def passed(self) -> int:
        return sum(one['passed'] for one in self.suites.values())


class _Environment:
    """Where tests run."""

    suites = SUITES

    def run(self, words: Sequence[str]) -> subprocess.CompletedProcess:
        """Run something with its Python."""
        raise NotImplementedError

    def ceph(self) -> str:
        """The release of Ceph there."""
        answer = self.run(['-c', (
            'import subprocess\n'
            'print(subprocess.run(["ceph", "--version"], capture_output=True,'
            ' text=True).stdout.split()[2])')]).stdout
        return answer.strip()


class Cinder(_Environment):
    """A release of Cinder on this machine's Ceph and Python.

    :param series: for example ``26``
    """

    def __init__(self, series: str) -> None:
        self.name = f'cinder-{series}'
        self._series = series
        self.venv = HOME / self.name

    def prepare(self) -> None:
        """Make the environment if it is not there."""
        make_environment(self.venv, PYTHON, f'cinder=={self._series}.*',
                         debian_root.run)

    def run(self, words: Sequence[str]) -> subprocess.CompletedProcess:
        return debian_root.run([str(self.venv / 'bin/python'), *words],
                               check=False)


class Debian(_Environment):
    """Another Debian: its Ceph and its Python, with the newest Cinder.

    :param suite: for example ``sid``
    """

    def __init__(self, suite: str) -> None:
        self.name = suite
        self._root = debian_root.DebianRoot(suite)
        self._venv = pathlib.Path('/opt/venv')

    def prepare(self) -> None:
        """Make the root and the environment if they are not there."""
        self._root.prepare(DEBIAN_PACKAGES)
        make_environment(self._venv, PYTHON, 'cinder==29.*', self._root.run,
                         self._root.path)

    def run(self, words: Sequence[str]) -> subprocess.CompletedProcess:
        return self._root.run([str(self._venv / 'bin/python'), *words],
                              check=False)

    @contextlib.contextmanager
    def cluster(self, place: pathlib.Path) -> Iterator[pathlib.Path]:
        """A cluster of this release, for clients of any other."""
        command = self._root.command([
            str(self._venv / 'bin/python'), '-m', 'tools.lent_cluster',
            str(place)])
        with subprocess.Popen(command, stdin=subprocess.PIPE, text=True,
                              stdout=subprocess.PIPE) as process:
            assert process.stdin
            assert process.stdout
            try:
                if process.stdout.readline().strip() != 'ready':
                    raise SystemExit(f'no cluster of {self.name}')
                yield place
            finally:
                process.stdin.close()
                process.wait()


class Mixed:
    """The clients of one release with a cluster of another.

    :param name: for example ``16-on-20``
    :param clients: where the tests run
    :param servers: whose Ceph the cluster is
    """

    suites = ('functional/chain', 'functional/cache')

    def __init__(self, name: str, clients: Cinder | Debian,
                 servers: Debian) -> None:
        self.name = name
        self._clients = clients
        self._servers = servers

    def prepare(self) -> None:
        """Make the two environments if they are not there."""
        self._clients.prepare()
        self._servers.prepare()

    def run(self, words: Sequence[str]) -> subprocess.CompletedProcess:
        """Run something while there is a cluster, if it is tests."""
        if 'pytest' not in words:
            return self._clients.run(words)
        with self._servers.cluster(HOME / f'{self.name}-ceph') as place:
            os.environ['CEPH_CLUSTER'] = str(place)
            try:
                return self._clients.run(words)
            finally:
                del os.environ['CEPH_CLUSTER']

    def ceph(self) -> str:
        """The release of the clients, and that of the cluster."""
        return f'{self._clients.ceph()} with {self._servers.ceph()}'


THIS, TRIXIE, SID = Cinder('29'), Debian('trixie'), Debian('sid')
RELEASES = {one.name: one for one in (
    Cinder('26'), Cinder('27'), Cinder('28'), THIS, TRIXIE, SID,
    Mixed('16-on-20', THIS, SID), Mixed('18-on-20', TRIXIE, SID))}


def make_environment(venv: pathlib.Path, python: str, cinder: str, execute,
                     root: pathlib.Path = pathlib.Path('/')) -> None:
    """A virtual environment with a release of Cinder and this project.

    The libraries are those of tools/constraints.txt for every release: an
    older Cinder has no pins of its own on the package index, and finding
    some takes pip very long.  What it needs beside them is added.
    """
    ready = root / venv.relative_to('/') / 'ready'
    wanted = '\n'.join([
        cinder, *TOOLS, (TOP / 'requirements.txt').read_text(),
        (TOP / 'tools/constraints.txt').read_text()])
    if ready.exists() and ready.read_text() == wanted:
        return
    inside = str(venv / 'bin/python')
    pip = [inside, '-m', 'pip', '-q', '--disable-pip-version-check']
    constraints = ['-c', str(TOP / 'tools/constraints.txt')]
    execute([python, '-m', 'venv', '--clear', str(venv)])
    execute([*pip, 'install', *constraints, 'cinder', '-r',
             str(TOP / 'requirements.txt'), *TOOLS])
    execute([*pip, 'install', '--no-deps', cinder])
    missing = re.findall(
        r'^cinder \S+ requires (\S+), which is not installed',
        execute([*pip, 'check'], check=False).stdout, re.MULTILINE)
    if missing:
        execute([*pip, 'install', *missing])
    execute([inside, str(TOP / 'tools/link_ceph_bindings.py')])
    ready.write_text(wanted)


def test(release, suites: Sequence[str]) -> Iterator[Result]:
    """Run the suites on a release that is prepared.

    Each in a process of its own: once Cinder has brought in eventlet, the
    plain HTTP servers of some unit tests do not work any more.

    :returns: after each suite, what is known so far
    """
    began = time.monotonic()
    log = HOME / f'{release.name}.log'
    log.write_text('')
    counts: dict[str, dict[str, Any]] = {}
    facts = {'date': datetime.date.today().isoformat(),
             'commit': _commit()}
    cinder, python = _versions(release)
    ceph = release.ceph()
    for suite in suites:
        done = release.run(['-m', 'pytest', '-q', '-p', 'no:cacheprovider',
                            f'tests/{suite}'])
        with log.open('a') as file:
            file.write(done.stdout + done.stderr)
        counts[suite] = {**_counts(done), **facts}
        print(f'[matrix] {release.name} {suite}: {counts[suite]}', flush=True)
        yield Result(release.name, cinder, ceph, python, dict(counts),
                     int(time.monotonic() - began))


def _commit() -> str:
    """What is checked out; the results of this run are no change of it."""
    name = debian_root.run(['git', 'describe', '--always']).stdout.strip()
    changed = debian_root.run(['git', 'diff', '--quiet', 'HEAD', '--', '.',
                               f':!{RESULTS.relative_to(TOP)}'], check=False)
    return name + '-dirty' * changed.returncode


def _counts(done: subprocess.CompletedProcess) -> dict[str, int]:
    """What pytest's last line says; a run that broke off has failed."""
    found = {word: int(number) for number, word in re.findall(
        r'(\d+) (passed|failed|skipped|error)', done.stdout[-400:])}
    failed = found.get('failed', 0) + found.get('error', 0)
    return {'passed': found.get('passed', 0),
            'failed': failed or int(done.returncode != 0),
            'skipped': found.get('skipped', 0)}


def _versions(release) -> tuple[str, str]:
    answer = release.run(['-c', (
        'import importlib.metadata, platform\n'
        'print(importlib.metadata.version("cinder"))\n'
        'print(platform.python_version())')]).stdout.split()
    return answer[0], answer[1]


def _keep(result: Result) -> None:
    """Remember this, and what was known of others."""
    path = RESULTS
    known = json.loads(path.read_text()) if path.exists() else {}
    before = known.get(result.name, {}).get('suites', {})
    known[result.name] = {**dataclasses.asdict(result),
                          'suites': {**before, **result.suites}}
    path.write_text(json.dumps(known, indent=2, sort_keys=True) + '\n')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('releases', nargs='*', metavar='RELEASE',
                        help=', '.join(RELEASES))
    parser.add_argument('--suites', nargs='+', metavar='SUITE',
                        help='unit, contract, functional, or a part of one, '
                             'such as functional/chain; default: all')
    options = parser.parse_args()
    names = options.releases or list(RELEASES)
    unknown = sorted(set(names) - set(RELEASES))
    if unknown:
        parser.error(f'no such release: {", ".join(unknown)}')
    for suite in options.suites or ():
        if not (TOP / 'tests' / suite).exists():
            parser.error(f'no such suite: {suite}')
    HOME.mkdir(exist_ok=True)
    results = []
    for name in names:
        print(f'[matrix] {name}', flush=True)
        RELEASES[name].prepare()
        release = RELEASES[name]
        for result in test(release, options.suites or release.suites):
            _keep(result)  # a later suite may be interrupted
        results.append(result)
    print('release    cinder  ceph     python  passed  failed  s')
    for one in results:
        print(f'{one.name:9}  {one.cinder:6}  {one.ceph:7}  {one.python:6}  '
              f'{one.passed:6}  {one.failed:6}  {one.seconds}')
    return int(any(one.failed or not one.passed for one in results))


if __name__ == '__main__':
    sys.exit(main())
