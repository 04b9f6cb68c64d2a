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
"""Another suite of Debian in a directory: its Ceph, Python, qemu and Cinder.

Made by debootstrap in .matrix/<suite>-root, as root, and kept for the next
run.  What is mounted for a command is mounted in a namespace of that command:
it goes with it, however it ends.
"""

from collections.abc import Sequence
import os
import pathlib
import shutil
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[1]
HOME = TOP / '.matrix'
MIRROR = os.environ.get('DEBIAN_MIRROR', 'http://deb.debian.org/debian')
CLEAN = ('env', '-i', 'HOME=/root', 'LANG=C.UTF-8',
         'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
         'DEBIAN_FRONTEND=noninteractive')

# What this machine needs to reach packages, the root needs too.
NETWORK = ('/etc/resolv.conf', '/etc/hosts', '/etc/pip.conf',
           '/etc/ssl/certs/ca-certificates.crt')


class DebianRoot:
    """One suite.

    :param suite: for example ``trixie``
    """

    def __init__(self, suite: str) -> None:
        self.suite = suite
        self.path = HOME / f'{suite}-root'

    def prepare(self, packages: Sequence[str]) -> None:
        """Make the root if it is not there, and install these packages."""
        if not (self.path / 'ready').exists():
            shutil.rmtree(self.path, ignore_errors=True)
            if shutil.which('debootstrap') is None:
                run(['apt-get', '-q', 'update'])
                run(['apt-get', '-q', 'install', '-y',
                     '--no-install-recommends', 'debootstrap'])
            run(['debootstrap', '--variant=minbase',
                 '--include=ca-certificates', self.suite, str(self.path),
                 MIRROR])
            self._settle()
            (self.path / 'ready').touch()
        self._lend_network()
        missing = self._missing(packages)
        if missing:
            self.run(['apt-get', '-q', 'update'])
            self.run(['apt-get', '-q', 'install', '-y',
                      '--no-install-recommends', *missing])
            self._lend_network()  # ca-certificates makes a list of its own

    def run(self, words: Sequence[str], check: bool = True,
            directory: pathlib.Path = TOP) -> subprocess.CompletedProcess:
        """Run something in the root, with this checkout at its own place."""
        return run(self.command(words, directory), check=check)

    def command(self, words: Sequence[str],
                directory: pathlib.Path = TOP) -> list[str]:
        """The command of this machine that runs something in the root.

        The root is exchanged, not only changed: the kernel makes no user
        namespace, which bubblewrap needs, for whoever is in a ``chroot``.
        """
        mounts = '; '.join(
            f'mkdir -p {self.path}{place}; '
            f'mount --rbind {place} {self.path}{place}'
            for place in ('/proc', '/dev', '/sys', TOP))
        return ['unshare', '--mount', '--propagation', 'private', 'sh',
                '-ec', f'mount --rbind {self.path} {self.path}; {mounts}; '
                f'cd {self.path}; pivot_root . .; umount -l .; '
                'cd /; exec "$@"', 'sh', *CLEAN, *_proxies(), 'sh', '-c',
                f'cd {directory} && exec "$@"', 'sh', *words]

    def _settle(self) -> None:
        """No services in here; old lists will do.

        A mirror's copy of sid may be older than its Release file allows.
        """
        (self.path / 'etc/apt/apt.conf.d/90old-lists').write_text(
            'Acquire::Check-Valid-Until "false";\n')
        policy = self.path / 'usr/sbin/policy-rc.d'
        policy.write_text('#!/bin/sh\nexit 101\n')
        policy.chmod(0o755)

    def _missing(self, packages: Sequence[str]) -> list[str]:
        installed = self.run([
            'dpkg-query', '-W', '-f',
            '${db:Status-Status} ${Package}\n']).stdout.splitlines()
        return [name for name in packages
                if f'installed {name}' not in installed]

    def _lend_network(self) -> None:
        for name in NETWORK:
            if pathlib.Path(name).exists():
                (self.path / name[1:]).parent.mkdir(parents=True,
                                                    exist_ok=True)
                shutil.copy(name, self.path / name[1:])


def run(words: Sequence[str], check: bool = True,
        directory: pathlib.Path = TOP) -> subprocess.CompletedProcess:
    """Run something on this machine and keep what it says.

    :raises SystemExit: with its last words, if it fails and ``check``
    """
    done = subprocess.run(words, capture_output=True, text=True,
                          cwd=directory)
    if check and done.returncode:
        raise SystemExit(f'{" ".join(words)} failed:\n'
                         f'{done.stdout[-2000:]}{done.stderr[-4000:]}')
    return done


def _proxies() -> list[str]:
    """What a network may need to reach packages, and tests a cluster."""
    return [f'{name}={value}' for name, value in os.environ.items()
            if name.lower().endswith('_proxy')
            or name.startswith(('PIP_', 'CEPH_'))]
