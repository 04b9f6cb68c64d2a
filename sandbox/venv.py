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

"""The Python environment in which the OpenStack services run.

It is isolated: with ``--system-site-packages`` the distribution's older
libraries would come along and break Cinder.  Only rados and rbd, which are
not on PyPI, are linked in; they are built for the distribution's Python, so
the environment is made with that one.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil

from sandbox import commands
from sandbox import layout as layouts

PYTHON = pathlib.Path('/usr/bin/python3')
DISTRIBUTION = pathlib.Path('/usr/lib/python3/dist-packages')
HERE = pathlib.Path(__file__).resolve().parent
REQUIREMENTS = HERE / 'requirements.txt'
CONSTRAINTS = HERE / 'constraints.txt'
LINKER = layouts.CHECKOUT / 'tools' / 'link_ceph_bindings.py'
METADATA = tuple(layouts.CHECKOUT / name for name in (
    'pyproject.toml', 'setup.py', 'setup.cfg', 'requirements.txt'))

NOT_OURS = ('PYTHONPATH', 'PYTHONHOME', 'PYTHONDONTWRITEBYTECODE',
            'PIP_REQUIRE_VIRTUALENV', 'PIP_USER', 'PIP_TARGET', 'PIP_PREFIX',
            'VIRTUAL_ENV')


def install(here: layouts.Layout) -> None:
    """Make the environment with the pinned libraries, if it is not there."""
    stamp = here.venv / 'libraries.stamp'
    recipe = _digest(REQUIREMENTS, CONSTRAINTS)
    if _reads(stamp, recipe):
        return
    if not (here.venv / 'bin' / 'pip').exists():
        shutil.rmtree(here.venv, ignore_errors=True)
        _run(here, PYTHON, '-m', 'venv', here.venv)
    # Python compiles what is used when it is used; that is a third of it.
    _install(here, '--no-compile', '-c', CONSTRAINTS, '-r', REQUIREMENTS)
    stamp.write_text(recipe)


def install_more(here: layouts.Layout, requirements: pathlib.Path) -> None:
    """Add the libraries of another file, with the same pins."""
    stamp = here.venv / f'{requirements.stem}.stamp'
    recipe = _digest(requirements, CONSTRAINTS)
    if not _reads(stamp, recipe):
        _install(here, '--no-compile', '-c', CONSTRAINTS, '-r', requirements)
        stamp.write_text(recipe)


def link(here: layouts.Layout, *modules: str) -> None:
    """Make more of the distribution's modules visible."""
    packages = next((here.venv / 'lib').glob('python3*/site-packages'))
    for module in modules:
        for source in DISTRIBUTION.glob(f'{module}.*'):
            target = packages / source.name
            if not target.is_symlink():
                target.symlink_to(source)


def link_ceph(here: layouts.Layout) -> None:
    """Make the distribution's rados and rbd modules visible."""
    _run(here, here.venv / 'bin' / 'python', LINKER)


def install_driver(here: layouts.Layout) -> None:
    """Install the checkout itself, editable: its code is used as it is."""
    stamp = here.venv / 'project.stamp'
    recipe = _digest(*METADATA)
    if _reads(stamp, recipe):
        return
    _install(here, '--no-deps', '--no-build-isolation', '-e',
             layouts.CHECKOUT)
    stamp.write_text(recipe)


def _install(here: layouts.Layout, *arguments: str | pathlib.Path) -> None:
    _run(here, here.venv / 'bin' / 'pip', '--disable-pip-version-check',
         '--no-input', 'install', '--progress-bar', 'off', *arguments)


def _run(here: layouts.Layout, *command: str | pathlib.Path) -> None:
    env = {name: value for name, value in os.environ.items()
           if name not in NOT_OURS}
    if not (layouts.CHECKOUT / '.git').exists() or not shutil.which('git'):
        # pbr takes the version from git, if there is one.
        env.setdefault('PBR_VERSION', '0.0.0')
    commands.run('venv', command, log=here.log('venv'), env=env)


def _digest(*files: pathlib.Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        if file.exists():
            digest.update(file.read_bytes() + b'\0')
    return digest.hexdigest()


def _reads(stamp: pathlib.Path, text: str) -> bool:
    return stamp.exists() and stamp.read_text() == text
