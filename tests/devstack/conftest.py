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
"""DevStack without DevStack: a machine of our own for the plugin.

``harness/`` has what stack.sh, unstack.sh and clean.sh do with a plugin, as
DevStack documents and does it; Ceph is real.
"""

import configparser
from importlib import metadata
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pytest

from sandbox import ports

TOP = pathlib.Path(__file__).resolve().parents[2]
HARNESS = TOP / 'tests/devstack/harness'
SERVICES = 'g-api,n-api,n-cpu,c-api,c-sch,c-vol,c-bak,tempest'
# Of a failed script's output and log: its end.
SHOWN = 6000


class Machine:
    """A directory that stands for a machine on which DevStack is run.

    :param directory: short; there will be sockets in it
    :param settings: the variables of local.conf
    """

    def __init__(self, directory: pathlib.Path, **settings: str) -> None:
        self.dest = directory
        self.ceph_dir = directory / 'etc/ceph'
        self.plugin = directory / 'rbd-imgdriver'
        self._settings = {
            'DEST': str(directory), 'PLUGIN_DIR': str(self.plugin),
            'PIP': str(pathlib.Path(sys.executable).with_name('pip')),
            'ENABLED_SERVICES': SERVICES,
            'RBD_IMGDRIVER_CEPH_DIR': str(self.ceph_dir),
            'RBD_IMGDRIVER_OSD_SIZE': '10',
            'CINDER_ENABLED_BACKENDS': 'rbd_imgdriver:fast', **settings}
        self._make()

    def _make(self) -> None:
        """The plugin's checkout, and what DevStack has made before."""
        names = subprocess.run(
            ['git', 'ls-files', '-z', '--cached', '--others',
             '--exclude-standard'], cwd=TOP, check=True,
            capture_output=True, text=True).stdout.split('\0')
        for name in filter(None, names):
            if (TOP / name).exists():
                (self.plugin / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(TOP / name, self.plugin / name)
        self.make_environment()
        self.write_localrc()

    def make_environment(self) -> None:
        """DevStack's virtual environment, which clean.sh removes."""
        venv = self.dest / 'data/venv'
        subprocess.run(['/usr/bin/python3', '-m', 'venv', '--without-pip',
                        venv], check=True)
        # What building the package needs; DevStack has the network.
        [place] = venv.glob('lib/python3*/site-packages')
        for tool in 'pbr', 'setuptools':
            distribution = metadata.distribution(tool)
            for name in {file.parts[0] for file in distribution.files
                         if '..' not in file.parts}:
                source = distribution.locate_file(name)
                if not (place / name).exists():
                    (place / name).symlink_to(source)

    def write_localrc(self, **settings: str) -> None:
        """Change variables of local.conf."""
        self._settings.update(settings)
        (self.dest / 'localrc').write_text(''.join(
            f'{name}={value!r}\n' for name, value in self._settings.items()))

    def run(self, script: str, check: bool = True) -> str:
        """Run stack.sh, unstack.sh or clean.sh; its summary and trace.

        Returns when everybody who holds the script's output has ended, as
        "ssh host ./stack.sh" would.
        """
        done = subprocess.run(
            [HARNESS / script, self.dest / 'localrc'], cwd=self.dest,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=150,
            env={'PATH': f'{HARNESS}/bin:/usr/sbin:/usr/bin:/sbin:/bin',
                 'DEST': str(self.dest), 'LANG': 'C.UTF-8',
                 'HOME': str(self.dest)})
        if check:
            assert done.returncode == 0, done.stdout[-SHOWN:]
        else:
            assert done.returncode != 0, f'{script} succeeded'
        return done.stdout

    def stack(self) -> str:
        return self.run('stack.sh')

    def conf(self, path: str) -> configparser.RawConfigParser:
        """A configuration file below the machine's directory."""
        parser = configparser.RawConfigParser(strict=True)
        with (self.dest / path).open() as stream:
            parser.read_file(stream)
        return parser

    def calls(self) -> list[str]:
        """What was called of what stands for other parts of the machine."""
        path = self.dest / 'calls'
        return path.read_text().splitlines() if path.exists() else []

    def forget_calls(self) -> None:
        (self.dest / 'calls').unlink(missing_ok=True)

    def ceph(self, *words: str, user: str = 'admin',
             program: str = 'ceph') -> subprocess.CompletedProcess[str]:
        """Run a program of Ceph's as one of its users."""
        return subprocess.run(
            [program, '-c', self.ceph_dir / 'ceph.conf', '--id', user,
             *words], capture_output=True, text=True, timeout=60)

    def rbd(self, user: str, *words: str) -> bool:
        """Whether a user may do this."""
        return self.ceph(*words, user=user, program='rbd').returncode == 0

    def daemons(self) -> dict[str, int]:
        """Ceph's processes on this machine, by program."""
        found = {}
        conf = str(self.ceph_dir / 'ceph.conf')
        for entry in pathlib.Path('/proc').glob('[0-9]*'):
            try:
                words = (entry / 'cmdline').read_bytes().decode().split('\0')
            except (OSError, UnicodeDecodeError):
                continue
            if conf in words and words[0].startswith('ceph-'):
                found[words[0]] = int(entry.name)
        return found

    def files(self) -> dict[str, bytes]:
        """All files in the directory of ceph.conf."""
        return {path.name: path.read_bytes()
                for path in sorted(self.ceph_dir.glob('*'))}


@pytest.fixture(scope='session')
def machines():
    """Makes machines; what they have started is stopped in the end."""
    made = []

    def make(**settings: str) -> Machine:
        # Not pytest's directories: the paths of sockets have to be short.
        directory = pathlib.Path(tempfile.mkdtemp(prefix='stack-'))
        found = ports.remembered(directory / 'ports.json', os.getpid())
        machine = Machine(
            directory, RBD_IMGDRIVER_MON_PORT=str(found['mon']),
            RBD_IMGDRIVER_MON_V1_PORT=str(found['mon_v1']), **settings)
        made.append(machine)
        return machine

    yield make
    for machine in made:
        if machine.daemons():
            machine.run('unstack.sh')
    assert not [machine for machine in made if machine.daemons()]
    for machine in made:
        shutil.rmtree(machine.dest)


@pytest.fixture(scope='session')
def one_node(machines) -> Machine:
    """A machine on which stack.sh has run, with the plugin's default."""
    machine = machines(
        CINDER_ENABLED_BACKENDS='rbd_imgdriver:fast,rbd_imgdriver:slow',
        RBD_IMGDRIVER_POOL_slow='volumes2')
    (machine.dest / 'stack.log').write_text(machine.stack())
    return machine
