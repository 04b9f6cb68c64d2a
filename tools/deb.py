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
"""Build the Debian package of the commit that is checked out.

    .venv/bin/python -m tools.deb                       # on this Debian
    .venv/bin/python -m tools.deb --suite trixie --test

It takes packaging/debian and the archive that tools/dist.py builds, in
build/deb/<suite>/, and shows what lintian says; errors and warnings are
failures.  With a suite this happens in a root of that suite (.matrix/).

``--test`` installs the package there, has the distribution's cinder-volume
use it (packaging/debian/tests), removes it and looks for what it has left.
"""

import argparse
from collections.abc import Callable
import datetime
from email import utils
import pathlib
import shutil
import subprocess
import tarfile

from tools import debian_root
from tools import dist

TOP = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = 'python3-rbd-imgdriver'
MAINTAINER = ('The rbd-imgdriver maintainers '
              '<maintainers@rbd-imgdriver.invalid>')
TOOLS = ('build-essential', 'lintian')
Run = Callable[..., subprocess.CompletedProcess]


class Host:
    """This machine, as a root would be used.

    The Python of the distribution, whatever comes first in PATH here.
    """

    def prepare(self, packages: tuple[str, ...]) -> None:
        self.run(['apt-get', '-q', '-o', 'DPkg::Lock::Timeout=600', 'install',
                  '-y', '--no-install-recommends', *packages])

    def run(self, words: list[str], check: bool = True,
            directory: pathlib.Path = TOP) -> subprocess.CompletedProcess:
        return debian_root.run([*debian_root.CLEAN, *words], check,
                               directory)


def build(suite: str, system: Host | debian_root.DebianRoot) -> pathlib.Path:
    """Build the package and look at it.

    :param suite: names the directory, and the release in the changelog
    :param system: where
    :returns: the package
    :raises SystemExit: with what lintian says, if that is an error or a
        warning
    """
    place = TOP / 'build/deb' / suite
    shutil.rmtree(place, ignore_errors=True)
    archive, _ = dist.build(place)
    tree = _source(archive, place)
    system.prepare(TOOLS)
    system.run(['apt-get', '-q', '-o', 'DPkg::Lock::Timeout=600',
                'build-dep', '-y', '--no-install-recommends', str(tree)])
    system.run(['dpkg-buildpackage', '-us', '-uc'], directory=tree)
    changes = next(place.glob('*.changes'))
    looked = system.run(['lintian', '-vI', '--pedantic', '--fail-on',
                         'error,warning', str(changes)], check=False)
    tags = [line for line in looked.stdout.splitlines()
            if not line.startswith('N:')]
    print('\n'.join(tags) or 'lintian has nothing to say')
    if looked.returncode:
        raise SystemExit(f'lintian: {looked.stderr}')
    return next(place.glob('*.deb'))


def _source(archive: pathlib.Path, place: pathlib.Path) -> pathlib.Path:
    """The source package's tree: the archive and packaging/debian."""
    version = archive.name.removesuffix('.tar.gz').rpartition('-')[2]
    # 0.1.0.dev3 comes before 0.1.0.
    upstream = version.replace('.dev', '~dev').replace('rc', '~rc')
    archive.rename(place / f'rbd-imgdriver_{upstream}.orig.tar.gz')
    with tarfile.open(next(place.glob('*.orig.tar.gz'))) as packed:
        packed.extractall(place)
    tree = place / f'rbd_imgdriver-{version}'
    shutil.copytree(TOP / 'packaging/debian', tree / 'debian')
    changelog = tree / 'debian/changelog'
    if not changelog.read_text().startswith(f'rbd-imgdriver ({upstream}-'):
        changelog.write_text(
            f'rbd-imgdriver ({upstream}-1) UNRELEASED; urgency=medium\n\n'
            '  * Not a release.\n\n'
            f' -- {MAINTAINER}  {_commit_date()}\n\n'
            + changelog.read_text())
    return tree


def _commit_date() -> str:
    seconds = debian_root.run(['git', 'log', '-1', '--format=%ct']).stdout
    return utils.format_datetime(
        datetime.datetime.fromtimestamp(int(seconds), datetime.UTC))


def test(package: pathlib.Path, root: debian_root.DebianRoot) -> None:
    """Install, use and remove the package in a root."""
    root.run(['apt-get', '-q', 'update'])
    root.prepare(('ceph-mgr', 'ceph-mon', 'ceph-osd', 'cinder-volume'))
    root.run(['apt-get', '-q', 'install', '-y', '--no-install-recommends',
              str(package)])
    root.run(['python3', 'packaging/debian/tests/cinder-volume'])
    root.run(['apt-get', '-q', 'purge', '-y', PACKAGE])
    left = root.run([
        'find', '/etc', '/usr', '/var/lib', '-name', '*rbd[-_]imgdriver*',
        '-not', '-path', f'{TOP}/*', '-not', '-path', '/var/lib/dpkg/*',
    ]).stdout
    if left:
        raise SystemExit(f'the package has left:\n{left}')
    found = root.run(['dpkg-query', '-W', '-f', '${Version}',
                      'cinder-volume']).stdout
    print(f'installed, used by cinder-volume {found} and removed again')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--suite', help='of Debian: trixie, sid; default: '
                        'build on this machine')
    parser.add_argument('--test', action='store_true',
                        help='install, use and remove it, too')
    options = parser.parse_args()
    if options.test and not options.suite:
        parser.error('--test needs a --suite: it installs and removes')
    system = (debian_root.DebianRoot(options.suite) if options.suite
              else Host())
    package = build(options.suite or 'host', system)
    print(package)
    if options.test:
        test(package, system)


if __name__ == '__main__':
    main()
