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
"""What the next release of Cinder will break.

    make next                            # the newest on the package index
    make next CINDER_SRC=/src/cinder     # a source tree, such as its master
    python3 -m tools.next_cinder --suites unit

In an environment of its own, .matrix/cinder-next, with Cinder's newest
libraries: first which of Cinder's names that we rely on are missing or have
changed (tools/cinder_names.py), then the types, then the tests of each suite.
Ends with what failed, if anything did.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import pathlib
import sys

from tools import debian_root
from tools import matrix

TOOLS = (*matrix.TOOLS, 'mypy')


class NextCinder(matrix.Cinder):
    """A Cinder that is not released yet, or only just.

    :param source: where its source tree is, or '' for the package index
    """

    def __init__(self, source: str) -> None:
        super().__init__('next')
        self._source = source

    def prepare(self) -> None:
        """Make the environment again: what is newest changes."""
        python = str(self.venv / 'bin/python')
        pip = [python, '-m', 'pip', '-q', '--disable-pip-version-check',
               'install']
        debian_root.run([matrix.PYTHON, '-m', 'venv', '--clear',
                         str(self.venv)])
        debian_root.run([*pip, '-r', str(matrix.TOP / 'requirements.txt'),
                         *TOOLS])
        debian_root.run([*pip, '--upgrade', self._package(python)])
        debian_root.run([python,
                         str(matrix.TOP / 'tools/link_ceph_bindings.py')])

    def _package(self, python: str) -> str:
        """What pip is to install: a pre-release of Cinder's alone."""
        if self._source:
            return str(pathlib.Path(self._source).resolve())
        place = matrix.HOME / 'next-cinder'
        place.mkdir(exist_ok=True)
        for old in place.iterdir():
            old.unlink()
        debian_root.run([python, '-m', 'pip', '-q', 'download', '--no-deps',
                         '--pre', '--dest', str(place), 'cinder'])
        (package,) = place.iterdir()
        return str(package)


def checks(release: NextCinder) -> list[str]:
    """Compare the names and check the types; what failed."""
    failed = []
    for what, words in (('names', ['-W', 'ignore', '-m',
                                   'tools.cinder_names']),
                        ('types', ['-m', 'mypy'])):
        done = release.run(words)
        print(f'[next] {what}:\n{done.stdout}', end='', flush=True)
        if done.returncode:
            print(done.stderr[-2000:], end='', flush=True)
            failed.append(what)
    return failed


def run(source: str, suites: Sequence[str]) -> list[str]:
    """Run everything; the names of what failed."""
    release = NextCinder(source)
    release.prepare()
    failed = checks(release)
    result = matrix.test(release, suites)
    print(f'[next] Cinder {result.cinder}, Ceph {result.ceph}, Python '
          f'{result.python}')
    return failed + [suite for suite, counts in result.suites.items()
                     if counts['failed'] or not counts['passed']]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--source', default='', metavar='DIRECTORY',
                        help='of Cinder; default: from the package index')
    parser.add_argument('--suites', nargs='*', choices=matrix.SUITES,
                        default=matrix.SUITES, help='default: all')
    options = parser.parse_args()
    matrix.HOME.mkdir(exist_ok=True)
    failed = run(options.source, options.suites)
    print(f'[next] failed: {", ".join(failed)}' if failed
          else '[next] all is well')
    return int(bool(failed))


if __name__ == '__main__':
    sys.exit(main())
