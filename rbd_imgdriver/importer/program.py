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
"""External programs, confined and watched.

What they read is hostile.  They run without privileges (as another user
where the service is root, and never gaining any), with limits on memory and
CPU time, without core dumps, in an empty environment, and die with us.
"""

from collections.abc import Callable
from collections.abc import Sequence
import dataclasses
import os
import subprocess
import time

from rbd_imgdriver.importer import secrets

_TICK = 0.5  # seconds between two looks at a program
_OUTPUT_LIMIT = 16 * 1024 * 1024  # bytes that it may write to any file


class Failed(Exception):
    """A program ended with an error.

    :param reason: a sentence without secrets
    """


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a program may use.

    :param user: whom it runs as when we are root
    :param memory: bytes of address space
    :param cpu_seconds: CPU time
    :param stall: seconds without progress
    """

    user: str
    memory: int
    cpu_seconds: int
    stall: float


def command(argv: Sequence[str], limits: Limits, root: bool) -> list[str]:
    """The command line that runs ``argv`` confined.

    setpriv, prlimit and env are of util-linux and coreutils.  SIGUSR1, with
    which qemu-img is asked for its progress, is ignored until qemu-img has
    installed its handler.

    :param root: whether we may, and so must, become somebody else
    """
    drop = []
    if root:
        drop = ['--reuid', limits.user, '--regid', 'nogroup',
                '--clear-groups', '--inh-caps=-all', '--bounding-set=-all']
    return [
        'setpriv', *drop, '--no-new-privs', '--pdeathsig', 'KILL', '--',
        'prlimit', f'--as={limits.memory}', f'--cpu={limits.cpu_seconds}',
        f'--fsize={_OUTPUT_LIMIT}', '--core=0', '--',
        'env', '-i', 'LC_ALL=C', 'PATH=/usr/bin:/bin',
        '--ignore-signal=USR1', *argv]


def run(argv: Sequence[str], limits: Limits, descriptors: Sequence[int] = (),
        tick: Callable[[subprocess.Popen[bytes], str], bool] | None = None,
        ) -> str:
    """Run a program to its end.

    :param descriptors: the files that it inherits
    :param tick: called twice a second with the process and what it has
        written to standard error; answers whether it made progress
    :returns: its standard output
    :raises Failed: when it fails, stalls or is killed
    """
    with secrets.memory_file('stdout') as out, \
            secrets.memory_file('stderr') as err:
        process = subprocess.Popen(
            command(argv, limits, os.geteuid() == 0),
            stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            pass_fds=descriptors, cwd='/')
        try:
            _watch(process, err, limits, tick)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            raise Failed(_reason(argv[0], process.returncode, _text(err)))
        return _text(out)


def _watch(process: subprocess.Popen[bytes], err: int, limits: Limits,
           tick: Callable[[subprocess.Popen[bytes], str], bool] | None,
           ) -> None:
    moved = time.monotonic()
    while True:
        try:
            process.wait(_TICK)
            return
        except subprocess.TimeoutExpired:
            now = time.monotonic()
        if tick is not None and tick(process, _text(err)):
            moved = now
        if now - moved > limits.stall:
            raise Failed(f'no progress for {limits.stall:.0f} seconds')


def _text(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, min(size, _OUTPUT_LIMIT), 0).decode(
        errors='replace')


def _reason(name: str, code: int, errors: str) -> str:
    said = ' '.join(errors.split())[-500:]
    how = f'was killed by signal {-code}' if code < 0 else f'failed ({code})'
    return f'{name} {how}: {said or "it said nothing"}'
