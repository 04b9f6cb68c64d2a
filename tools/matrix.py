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
    python3 tools/matrix.py cinder-26 trixie

Each gets an environment of its own in .matrix/, which is kept for the next
run: for each release of Cinder a virtual environment with the libraries of
tools/constraints.txt, and for Debian 13 (its Ceph, its Python) a root made
with debootstrap.  The last lines are a table; the same goes to
doc/source/_static/matrix.json, which the documentation prints.
"""

from __future__ import annotations

import argparse
import collections
from collections.abc import Sequence
import dataclasses
import datetime
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
HOME = TOP / '.matrix'
RESULTS = TOP / 'doc/source/_static/matrix.json'
SUITES = ('tests/unit', 'tests/contract', 'tests/functional')
PYTHON = '/usr/bin/python3'
MIRROR = os.environ.get('DEBIAN_MIRROR', 'http://deb.debian.org/debian')

# What the tests need of Debian 13 beside bindep.txt's packages.
TRIXIE_PACKAGES = (
    'python3', 'python3-venv', 'python3-dev', 'gcc', 'libc6-dev', 'git',
    'ca-certificates', 'ceph-mon', 'ceph-mgr', 'ceph-osd', 'ceph-common',
    'python3-rados', 'python3-rbd', 'qemu-utils', 'qemu-block-extra',
    'openssl', 'procps', 'iproute2', 'libffi-dev', 'libpq-dev',
    'libmariadb-dev', 'pkg-config', 'xz-utils', 'curl')

# What the tests need of the package index beside the project's requirements.
TOOLS = ('pytest', 'pytest-timeout', 'pytest-xdist', 'hypothesis',
         'prometheus-client', 'pbr', 'setuptools', 'wheel', 'build')

# What this machine needs to reach packages, the root needs too.
NETWORK = ('/etc/resolv.conf', '/etc/hosts', '/etc/pip.conf',
           '/etc/ssl/certs/ca-certificates.crt')


@dataclasses.dataclass(frozen=True)
class Result:
    """How the tests went on one release."""

    name: str
    cinder: str
    ceph: str
    python: str
    passed: int
    failed: int
    skipped: int
    seconds: int
    date: str


class Cinder:
    """A release of Cinder on this machine's Ceph and Python.

    :param series: for example ``26``
    """

    def __init__(self, series: str) -> None:
        self.name = f'cinder-{series}'
        self._series = series
        self._venv = HOME / self.name

    def prepare(self) -> None:
        """Make the environment if it is not there."""
        make_environment(self._venv, PYTHON, f'cinder=={self._series}.*',
                         run)

    def run(self, words: Sequence[str]) -> subprocess.CompletedProcess:
        return run([str(self._venv / 'bin/python'), *words], check=False)


class Trixie:
    """Debian 13: its Ceph and its Python, with the newest Cinder."""

    name = 'trixie'

    def __init__(self) -> None:
        self._root = HOME / 'trixie-root'
        self._venv = pathlib.Path('/opt/venv')

    def prepare(self) -> None:
        """Make the root and the environment if they are not there."""
        if not (self._root / 'ready').exists():
            shutil.rmtree(self._root, ignore_errors=True)
            run(['debootstrap', '--variant=minbase', 'trixie',
                 str(self._root), MIRROR])
        self._lend_network()
        self._install()
        self._lend_network()  # ca-certificates has made a list of its own
        make_environment(self._venv, PYTHON, 'cinder==29.*', self._chroot,
                         self._root)

    def _install(self) -> None:
        """After debootstrap, which cannot configure all of these."""
        ready = self._root / 'ready'
        if ready.exists():
            return
        self._chroot(['apt-get', '-q', 'update'])
        self._chroot(['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get',
                      '-q', 'install', '-y', '--no-install-recommends',
                      *TRIXIE_PACKAGES])
        ready.touch()

    def run(self, words: Sequence[str]) -> subprocess.CompletedProcess:
        return self._chroot([str(self._venv / 'bin/python'), *words],
                            check=False)

    def _chroot(self, words: Sequence[str],
                check: bool = True) -> subprocess.CompletedProcess:
        """Run something in the root.

        In a mount namespace of its own: what is mounted there goes with the
        process, however that ends.
        """
        mounts = '; '.join(
            f'mkdir -p {self._root}{place}; '
            f'mount --rbind {place} {self._root}{place}'
            for place in ('/proc', '/dev', '/sys', TOP))
        return run(['unshare', '--mount', '--propagation', 'private', 'sh',
                    '-ec', f'{mounts}; exec "$@"', 'sh', 'chroot',
                    str(self._root), 'env', '-i', 'HOME=/root',
                    'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LANG=C.UTF-8',
                    *_proxies(), 'sh', '-c', f'cd {TOP} && exec "$@"', 'sh',
                    *words], check=check)

    def _lend_network(self) -> None:
        for name in NETWORK:
            if pathlib.Path(name).exists():
                (self._root / name[1:]).parent.mkdir(parents=True,
                                                     exist_ok=True)
                shutil.copy(name, self._root / name[1:])


RELEASES = {one.name: one for one in (
    Cinder('26'), Cinder('27'), Cinder('28'), Cinder('29'), Trixie())}


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


def test(release) -> Result:
    """Prepare a release and run the suites on it.

    Each in a process of its own: once Cinder has brought in eventlet, the
    plain HTTP servers of some unit tests do not work any more.
    """
    release.prepare()
    began = time.monotonic()
    counts: collections.Counter[str] = collections.Counter()
    log = HOME / f'{release.name}.log'
    log.write_text('')
    for suite in SUITES:
        done = release.run(['-m', 'pytest', '-q', '-p', 'no:cacheprovider',
                            suite])
        with log.open('a') as file:
            file.write(done.stdout + done.stderr)
        found = {word: int(number) for number, word in re.findall(
            r'(\d+) (passed|failed|skipped|error)', done.stdout[-400:])}
        counts.update(found)
        if done.returncode and not found.get('failed'):
            counts['failed'] += 1
        print(f'[matrix] {release.name} {suite}: {found}', flush=True)
    return Result(
        release.name, *_versions(release), counts['passed'],
        counts['failed'] + counts['error'], counts['skipped'],
        int(time.monotonic() - began), datetime.date.today().isoformat())


def _versions(release) -> tuple[str, str, str]:
    told = release.run(['-c', (
        'import importlib.metadata, platform, subprocess\n'
        'print(importlib.metadata.version("cinder"))\n'
        'print(subprocess.run(["ceph", "--version"], capture_output=True,'
        ' text=True).stdout.split()[2])\n'
        'print(platform.python_version())')]).stdout.split()
    return told[0], told[1], told[2]


def run(words: Sequence[str],
        check: bool = True) -> subprocess.CompletedProcess:
    done = subprocess.run(words, capture_output=True, text=True, cwd=TOP)
    if check and done.returncode:
        raise SystemExit(f'{" ".join(words)} failed:\n'
                         f'{done.stdout[-2000:]}{done.stderr[-4000:]}')
    return done


def _proxies() -> list[str]:
    """What a network may need to reach packages."""
    return [f'{name}={value}' for name, value in os.environ.items()
            if name.lower().endswith('_proxy') or name.startswith('PIP_')]


def _keep(results: list[Result]) -> None:
    """Remember these, and what was known of others."""
    path = RESULTS
    known = json.loads(path.read_text()) if path.exists() else {}
    known |= {one.name: dataclasses.asdict(one) for one in results}
    path.write_text(json.dumps(known, indent=2, sort_keys=True) + '\n')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('releases', nargs='*', metavar='RELEASE',
                        help=', '.join(RELEASES))
    names = parser.parse_args().releases or list(RELEASES)
    unknown = sorted(set(names) - set(RELEASES))
    if unknown:
        parser.error(f'no such release: {", ".join(unknown)}')
    HOME.mkdir(exist_ok=True)
    results = []
    for name in names:
        print(f'[matrix] {name}', flush=True)
        results.append(test(RELEASES[name]))
        _keep(results)
    print('release    cinder  ceph     python  passed  failed  skipped  s')
    for one in results:
        print(f'{one.name:9}  {one.cinder:6}  {one.ceph:7}  {one.python:6}  '
              f'{one.passed:6}  {one.failed:6}  {one.skipped:7}  '
              f'{one.seconds}')
    return int(any(one.failed or not one.passed for one in results))


if __name__ == '__main__':
    sys.exit(main())
