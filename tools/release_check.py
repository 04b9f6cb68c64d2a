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
"""Check that the commit that is checked out can be released, and build it.

    make release-check

It refuses a tree with changes and a commit without a tag, and compares the
places where the version stands.  Then it builds the archive and the wheel
twice and compares them, has twine look at them, writes the bill of materials,
builds the documentation and the Debian package and has rpmlint look at the
RPM spec.  What is to be published is in dist/ afterwards.

``--rehearse`` does all of it on a commit that is not a release; what it builds
is named after the commit.
"""

import argparse
from collections.abc import Iterator
import filecmp
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from tools import deb
from tools import debian_root
from tools import dist
from tools import sbom

TOP = pathlib.Path(__file__).resolve().parents[1]
DIST = TOP / 'dist'
VENV = TOP / '.venv-release'

# Where the version stands, as a pattern whose group is the version.
VERSIONS = (
    ('setup.cfg', r'^version = (\S+)$'),
    ('rbd_imgdriver/driver.py', r"^    VERSION = '([^']+)'$"),
    ('packaging/debian/changelog', r'\Arbd-imgdriver \(([^)]+)-\d+\)'),
    ('packaging/rpm/python-rbd-imgdriver.spec', r'^Version: +(\S+)$'),
    ('CHANGELOG.rst', r'^(\d+\.\d+\.\d+)\n=+$'),
)


def versions(top: pathlib.Path) -> dict[str, str]:
    """The version that each of the files gives, the newest one first."""
    found = {}
    for name, pattern in VERSIONS:
        match = re.search(pattern, (top / name).read_text(), re.MULTILINE)
        found[name] = match[1] if match else ''
    return found


def obstacles(changes: str, tags: list[str],
              found: dict[str, str]) -> Iterator[str]:
    """Why a tree is not a release.

    :param changes: what ``git status --porcelain`` says
    :param tags: those of the commit
    :param found: see :func:`versions`
    """
    if changes:
        yield f'there are changes that are not committed:\n{changes}'
    if len(set(found.values())) != 1:
        yield 'the versions differ: ' + ', '.join(
            f'{name} says {version or "none"}'
            for name, version in found.items())
    if found['setup.cfg'] not in tags:
        yield (f'the commit is not tagged {found["setup.cfg"]} '
               f'(its tags: {", ".join(tags) or "none"})')


def check(rehearse: bool) -> None:
    """Go through all steps; the first that fails ends it."""
    found = list(obstacles(_git('status', '--porcelain'),
                           _git('tag', '--points-at', 'HEAD').split(),
                           versions(TOP)))
    if found and not rehearse:
        raise SystemExit('\n'.join(f'release-check: {line}'
                                   for line in found))
    for line in found:
        say(f'not a release: {line}')
    shutil.rmtree(DIST, ignore_errors=True)
    say('the archive and the wheel')
    archive, wheel = dist.build(DIST)
    say('the same again')
    with tempfile.TemporaryDirectory() as name:
        for one in dist.build(pathlib.Path(name)):
            if not filecmp.cmp(one, DIST / one.name, shallow=False):
                raise SystemExit(f'two builds of {one.name} differ')
    tools = _tools()
    say('twine')
    debian_root.run([str(tools / 'twine'), 'check', '--strict',
                     str(archive), str(wheel)])
    say('the bill of materials')
    sbom.write(wheel, DIST / f'{wheel.name.removesuffix(".whl")}.cdx.json',
               tools / 'cyclonedx-py',
               int(_git('log', '-1', '--format=%ct')))
    say('the documentation')
    debian_root.run([sys.executable, '-m', 'tools.run_tests', 'docs'])
    say('the Debian package')
    shutil.copy(deb.build('host', deb.Host()), DIST)
    say('the RPM spec')
    deb.Host().prepare(('rpm', 'rpmlint'))
    debian_root.run(['/usr/bin/rpmlint', '--strict', '-c',
                     'packaging/rpm/rpmlint.toml',
                     'packaging/rpm/python-rbd-imgdriver.spec'])
    say('built: ' + ', '.join(sorted(one.name for one in DIST.iterdir())))


def _tools() -> pathlib.Path:
    """The directory of the programs of tools/release-requirements.txt."""
    wanted = (TOP / 'tools/release-requirements.txt').read_text()
    stamp = VENV / 'stamp'
    if not stamp.exists() or stamp.read_text() != wanted:
        say('pip: tools/release-requirements.txt')
        debian_root.run([sys.executable, '-m', 'venv', '--clear', str(VENV)])
        debian_root.run([str(VENV / 'bin/pip'), '-q', 'install', '-r',
                         'tools/release-requirements.txt'])
        stamp.write_text(wanted)
    return VENV / 'bin'


def _git(*words: str) -> str:
    return subprocess.run(['git', *words], cwd=TOP, check=True,
                          capture_output=True, text=True).stdout.strip()


def say(text: str) -> None:
    print(f'[release-check] {text}', flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--rehearse', action='store_true',
                        help='also a commit that is not a release')
    check(parser.parse_args().rehearse)


if __name__ == '__main__':
    main()
