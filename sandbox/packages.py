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

"""Debian packages: installed if missing, without starting anything."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import os
import pathlib
import shutil
import subprocess

from sandbox import commands
from sandbox import errors

PYTHON = ('ca-certificates', 'python3-venv')
CEPH = ('ceph-common', 'ceph-mgr', 'ceph-mon', 'ceph-osd', 'python3-rados',
        'python3-rbd')
CLOUD = CEPH + (
    'bubblewrap', 'cryptsetup-bin', 'mariadb-client-core',
    'mariadb-server-core', 'memcached', 'qemu-block-extra', 'qemu-utils',
    'rabbitmq-server')
NOVA = ('ipxe-qemu', 'libvirt-daemon', 'libvirt-daemon-driver-qemu',
        'python3-libvirt', 'qemu-system-x86', 'seabios')
QEMU = ('ipxe-qemu', 'qemu-system-x86', 'seabios')

APT = ('apt-get', '-q', '-y', '-o', 'DPkg::Lock::Timeout=600',
       '-o', 'Acquire::Retries=3', '-o', 'Dpkg::Use-Pty=0',
       '-o', 'Dpkg::Options::=--force-confold',
       '-o', 'Dpkg::Options::=--force-unsafe-io')

# See https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt
POLICY = pathlib.Path('/usr/sbin/policy-rc.d')
NO_STARTING = '#!/bin/sh\n# By the sandbox, while it installs.\nexit 101\n'


def missing(wanted: Sequence[str]) -> list[str]:
    """Those of the packages that are not installed."""
    found = subprocess.run(
        ['dpkg-query', '-W', '-f', '${Package} ${db:Status-Status}\n',
         *wanted], capture_output=True, text=True).stdout
    installed = {line.split()[0] for line in found.splitlines()
                 if line.endswith(' installed')}
    return [name for name in wanted if name not in installed]


def install(wanted: Sequence[str], log: pathlib.Path) -> None:
    """Install what is missing; the daemons it brings are not started."""
    absent = missing(wanted)
    if not absent:
        return
    if shutil.which('apt-get') is None:
        raise errors.SandboxError('packages', 'this needs Debian (apt-get); '
                                  'missing: ' + ', '.join(absent))
    apt('update', log=log)
    with _nothing_starts():
        apt('install', '--no-install-recommends', *absent, log=log)


def apt(*arguments: str, log: pathlib.Path,
        cwd: pathlib.Path | None = None) -> None:
    """Run apt-get; it asks no questions."""
    commands.run('packages', [*APT, *arguments], log=log, cwd=cwd,
                 env={**os.environ, 'DEBIAN_FRONTEND': 'noninteractive',
                      'LC_ALL': 'C.UTF-8'},
                 attempt='apt-get ' + arguments[0])


@contextlib.contextmanager
def _nothing_starts() -> Iterator[None]:
    """Keep the packages' own services down, unless there is a policy."""
    if POLICY.exists() and POLICY.read_text() != NO_STARTING:
        yield
        return
    POLICY.write_text(NO_STARTING)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)
