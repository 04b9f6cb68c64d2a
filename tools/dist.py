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
"""Build the source archive and the wheel of the commit that is checked out.

    .venv/bin/python -m tools.dist [--output dist]

Two builds of one commit are identical to the byte, wherever and whenever they
are made: the time in them is that of the commit (SOURCE_DATE_EPOCH), owners,
modes and order are fixed.  What is not committed is not built.

Beside the tracked files the archive contains ``man/``: the manual page is
made from the command line's parser, which needs more to run than a
distribution wants to install for a build.
"""

import argparse
import gzip
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

TOP = pathlib.Path(__file__).resolve().parents[1]


def build(target: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Build both.

    :param target: a directory; it is made if it is not there
    :returns: the archive and the wheel
    """
    os.umask(0o022)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        tree = scratch / 'tree'
        _run('git', 'clone', '-q', f'file://{TOP}', tree)
        environment = {
            **os.environ, 'PYTHONPATH': str(tree), 'PYTHONHASHSEED': '0',
            'SOURCE_DATE_EPOCH': _run(
                'git', '-C', tree, 'log', '-1', '--format=%ct').strip()}
        _make_manual(tree, environment)
        archive = _make_archive(tree, target, environment)
        with tarfile.open(archive) as packed:
            packed.extractall(scratch / 'unpacked')
        unpacked = next((scratch / 'unpacked').iterdir())
        _python('build', '--no-isolation', '--wheel', unpacked,
                environment=environment)
        wheel = next((unpacked / 'dist').iterdir())
        return archive, pathlib.Path(shutil.copy(wheel, target))


def _make_manual(tree: pathlib.Path, environment: dict[str, str]) -> None:
    # oslo.config's extension wants to be run in the project's directory.
    _python('sphinx', '-q', '-b', 'man', '-d', tree / 'doctrees',
            tree / 'doc/source', tree / 'man', environment=environment,
            directory=tree)
    shutil.rmtree(tree / 'doctrees')


def _make_archive(tree: pathlib.Path, target: pathlib.Path,
                  environment: dict[str, str]) -> pathlib.Path:
    """The archive that setuptools makes, with the manual, made reproducible.

    setuptools writes the present time and the builder's owner into it.
    """
    _python('build', '--no-isolation', '--sdist', tree,
            environment=environment)
    made = next((tree / 'dist').iterdir())
    top = made.name.removesuffix('.tar.gz')
    with tarfile.open(made) as packed:
        packed.extractall(tree / 'packed')
    shutil.copytree(tree / 'man', tree / 'packed' / top / 'man')
    time = int(environment['SOURCE_DATE_EPOCH'])

    def normal(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = 'root'
        member.mtime = time
        member.mode = 0o755 if member.mode & 0o100 else 0o644
        return member

    archive = target / made.name
    with (archive.open('wb') as raw,
          gzip.GzipFile('', 'wb', mtime=time, fileobj=raw) as packed,
          tarfile.open(fileobj=packed, mode='w',
                       format=tarfile.PAX_FORMAT) as tar):
        # tarfile lists directories in alphabetical order.
        tar.add(tree / 'packed' / top, top, filter=normal)
    return archive


def _python(module: str, *words: object, environment: dict[str, str],
            directory: pathlib.Path = TOP) -> None:
    _run(sys.executable, '-m', module, *words, environment=environment,
         directory=directory)


def _run(*words: object, environment: dict[str, str] | None = None,
         directory: pathlib.Path = TOP) -> str:
    done = subprocess.run([str(word) for word in words], text=True,
                          capture_output=True, env=environment, cwd=directory)
    if done.returncode:
        raise SystemExit(f'{" ".join(map(str, words))} failed:\n'
                         f'{done.stdout[-2000:]}{done.stderr[-4000:]}')
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--output', type=pathlib.Path, default=TOP / 'dist')
    if _run('git', '-C', TOP, 'status', '--porcelain'):
        print('note: what is not committed is not built', file=sys.stderr)
    for path in build(parser.parse_args().output):
        print(path)


if __name__ == '__main__':
    main()
