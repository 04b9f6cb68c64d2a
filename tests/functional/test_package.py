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
"""The package as a distribution gets it: built, installed, removed."""

import os
import pathlib
import subprocess
import sys
import sysconfig
import tarfile

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]


def run(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], text=True,
                          capture_output=True, timeout=250, cwd='/',
                          env={**os.environ, 'PYTHONWARNINGS': 'ignore'})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope='module')
def built(tmp_path_factory) -> pathlib.Path:
    """A directory with a wheel and a source archive."""
    target = tmp_path_factory.mktemp('dist')
    run(sys.executable, '-m', 'build', '--no-isolation', '--outdir', target,
        TOP)
    return target


@pytest.fixture
def venv(tmp_path) -> pathlib.Path:
    """A fresh environment in which Cinder is, and this project is not."""
    path = tmp_path / 'venv'
    run(sys.executable, '-m', 'venv', path)
    packages = next(path.glob('lib/python*/site-packages'))
    # Only modules come along: what is installed there keeps its .pth files,
    # that of this project among them, to itself.
    (packages / 'cinder-is-there.pth').write_text(
        sysconfig.get_path('purelib') + '\n')
    return path


def files(venv: pathlib.Path) -> set[pathlib.Path]:
    return {path for path in venv.rglob('*')
            if '__pycache__' not in path.parts}


def test_install_use_and_uninstall(built, venv):
    before = files(venv)
    wheel = next(built.glob('*.whl'))
    run(venv / 'bin/pip', 'install', '--no-deps', '--no-index',
        '--force-reinstall', wheel)

    where = run(venv / 'bin/python', '-c',
                'import rbd_imgdriver.driver as d; print(d.__file__)')
    assert pathlib.Path(where.strip()).is_relative_to(venv)
    found = run(
        venv / 'bin/python', '-c',
        'from oslo_utils import importutils as i\n'
        'print(i.import_class("rbd_imgdriver.driver.RBDImageDriver")'
        '.VERSION)')
    assert found.strip() == '0.1.0'
    assert 'doctor' in run(venv / 'bin/rbd-imgdriver-manage', '--help')
    options = run(venv / 'bin/python', '-m', 'oslo_config.generator',
                  '--namespace', 'rbd_imgdriver')
    assert '#rbd_imgdriver_strategies = ' in options

    run(venv / 'bin/pip', 'uninstall', '-y', 'rbd-imgdriver')
    assert files(venv) - before == set()


def test_the_archive_has_what_a_distribution_needs(built):
    with tarfile.open(next(built.glob('*.tar.gz'))) as archive:
        names = {name.partition('/')[2] for name in archive.getnames()}

    assert {'LICENSE', 'README.rst', 'rbd_imgdriver/py.typed',
            'etc/bash_completion.d/rbd-imgdriver-manage',
            'doc/source/man/rbd-imgdriver-manage.rst',
            'doc/grafana/rbd-imgdriver.json'} <= names


def test_the_wheel_has_the_packages_only(built):
    listing = run(sys.executable, '-m', 'zipfile', '-l',
                  next(built.glob('*.whl')))
    tops = {line.split()[0].partition('/')[0]
            for line in listing.splitlines()[1:]}

    assert {top for top in tops if not top.endswith('.dist-info')} == {
        'rbd_imgdriver', 'rbd_imgdriver_tempest_plugin'}
