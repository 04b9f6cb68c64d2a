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
"""What this host offers: space, programs, users, keyrings."""

from collections.abc import Iterator
import os
import pathlib
import pwd
import shutil
import subprocess

from rbd_imgdriver.cmd.checks import findings
from rbd_imgdriver.cmd import output
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import luks_header

Finding = findings.Finding

_NEEDED = ('raw', 'qcow2', 'vmdk', 'vdi', 'vhdx', 'vpc')
# What a conversion runs besides qemu-img.
_TOOLS = ('bash', 'bwrap', 'env', 'ldd', 'prlimit', 'qemu-nbd', 'setpriv')
# Whom other programs run as, too.
_SHARED = 'nobody'
_SECONDS = 60
_MOUNTS = '/proc/self/mountinfo'


def conversion_dir(directory: str) -> Iterator[Finding]:
    """Whether temporary files can be written."""
    path = pathlib.Path(directory)
    if not _usable(path):
        yield Finding('conversion-dir-unusable', directory,
                      _trouble(path) or 'it does not exist')
        return
    free = shutil.disk_usage(path).free
    kind = file_system(path, pathlib.Path(_MOUNTS).read_text())
    yield Finding('conversion-dir', directory,
                  f'{kind}, {output.size(free)} free')
    if kind in ('tmpfs', 'ramfs'):
        yield Finding('conversion-dir-memory', directory, kind)


def conversion_space(directory: str,
                     largest: int | None) -> Iterator[Finding]:
    """Whether temporary files have room.

    :param largest: bytes of the largest image that may be written there
    """
    if largest is None or not pathlib.Path(directory).is_dir():
        return
    free = shutil.disk_usage(directory).free
    if free < largest:
        yield Finding('conversion-dir-small', directory,
                      f'{output.size(free)} free, an image has '
                      f'{output.size(largest)}')


def lock_path(directory: str) -> Iterator[Finding]:
    """Whether locks can be made, and those that are there be taken.

    A directory that does not exist is made when it is needed.

    :param directory: '' for that of the temporary files
    """
    if not directory:
        return
    path = pathlib.Path(directory)
    nearest = next(one for one in [path, *path.parents] if one.exists())
    if not _usable(nearest):
        yield Finding('lock-path-unusable', directory, _trouble(nearest))
        return
    for lock in sorted(path.glob('rbd-imgdriver-*')):
        if not os.access(lock, os.R_OK | os.W_OK):
            yield Finding('lock-path-unusable', directory, _trouble(lock))
            return


def _usable(path: pathlib.Path) -> bool:
    return path.is_dir() and os.access(path, os.W_OK | os.X_OK)


def _trouble(path: pathlib.Path) -> str:
    """Whose it is, and who cannot use it."""
    try:
        stat = path.stat()
    except OSError:
        return ''
    return (f'{path} belongs to user {stat.st_uid}, mode '
            f'{stat.st_mode & 0o7777:04o}; user {os.geteuid()} cannot write '
            'it')


def file_system(path: pathlib.Path, mountinfo: str) -> str:
    """The type of the file system that holds a path.

    :param mountinfo: as in /proc/self/mountinfo, see proc(5)
    """
    wanted = path.resolve()
    best, kind = pathlib.Path('/'), 'unknown'
    for line in mountinfo.splitlines():
        before, _, after = line.partition(' - ')
        mounted = pathlib.Path(before.split()[4])
        if wanted.is_relative_to(mounted) and (
                len(mounted.parts) >= len(best.parts)):
            best, kind = mounted, after.split()[0]
    return kind


def qemu_img(program: str = 'qemu-img') -> Iterator[Finding]:
    """Whether qemu-img is there and knows what it has to."""
    try:
        text = subprocess.run([program, '--help'], capture_output=True,
                              text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        yield Finding('qemu-unusable', program, str(error))
        return
    yield qemu_facts(program, text)


def qemu_facts(program: str, text: str) -> Finding:
    """What ``qemu-img --help`` says."""
    version = text.partition('\n')[0].removeprefix('qemu-img version ')
    formats = text.rpartition('Supported formats:')[2].split()
    missing = [one for one in (*_NEEDED, 'rbd') if one not in formats]
    if missing:
        return Finding('qemu-unusable', program,
                       f'version {version} does not know '
                       + ', '.join(missing))
    return Finding('qemu', program, f'version {version}')


def converter(user: str, memory: int) -> Iterator[Finding]:
    """Whether converters run confined, and as whom.

    :param user: whom they run as where the service is root
    :param memory: bytes of address space that one may take
    """
    try:
        number = pwd.getpwnam(user).pw_uid
    except KeyError:
        yield Finding('converter-user-missing', user, 'no such user')
        return
    if number == 0:
        yield Finding('converter-user-root', user, 'user 0')
        return
    if user == _SHARED and os.geteuid() == 0:
        yield Finding('converter-user-shared', user, 'asked as root')
    missing = [one for one in _TOOLS if shutil.which(one) is None]
    if missing:
        yield Finding('converter-unconfined', 'qemu-img',
                      'not installed: ' + ', '.join(missing))
        return
    try:
        confined.run(['qemu-img', '--version'],
                     confined.Limits(user, memory, _SECONDS, _SECONDS),
                     sandboxed=True)
    except (confined.Failed, OSError) as error:
        yield Finding('converter-unconfined', 'qemu-img', str(error))
        return
    yield Finding('converter', 'qemu-img', f'asked as user {os.geteuid()}')


def cryptsetup() -> Iterator[Finding]:
    """Whether headers of encrypted volumes can be made of others."""
    try:
        luks_header.program()
    except confined.Failed as error:
        yield Finding('cryptsetup-missing', 'cryptsetup', str(error))


def keyring(cluster: str, user: str,
            directory: str = '/etc/ceph') -> Iterator[Finding]:
    """Whether os-brick finds the keyring (os_brick/initiator/linuxrbd)."""
    path = pathlib.Path(directory, f'{cluster}.client.{user}.keyring')
    if not path.exists():
        yield Finding('keyring-missing', user, f'there is no {path}')
