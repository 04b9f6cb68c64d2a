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
CPU time, without core dumps, in an empty environment, and die with us; those
that interpret an image also in a sandbox (:mod:`sandbox`).
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import contextlib
import dataclasses
import grp
import os
import pwd
import selectors
import signal
import subprocess
import time
from typing import Any

from rbd_imgdriver.importer.qemu import memfd
from rbd_imgdriver.importer.qemu import sandbox

_GRACE = 5.0  # seconds for a sandbox to end after its program
TICK = 0.5  # seconds between two looks at a program

# Bytes that it may write to any file; its output and its complaints go to
# files in memory.
_OUTPUT_LIMIT = 16 * 1024 * 1024


class Failed(Exception):
    """A program ended with an error; the text is fit for users."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a program may use.

    :param user: whom it runs as when we are root
    :param memory: bytes of address space
    :param cpu: seconds of CPU time
    :param stall: seconds without progress
    :param file_size: bytes that any file it writes may have
    """

    user: str
    memory: int
    cpu: int
    stall: float
    file_size: int = _OUTPUT_LIMIT


# Looks at a running program, by its process id, and at the file of its
# standard error; answers whether it has moved on.
Look = Callable[[int, int], bool]


class Process(subprocess.Popen[bytes]):
    """One that does not outlive its own start being abandoned.

    Under eventlet the start gives way to other green threads while it waits
    to hear that the program runs; one of them may kill the starting one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        except BaseException:
            if self.pid is not None:
                self.kill()
                self.wait()
            raise


def command(argv: Sequence[str], limits: Limits, root: bool,
            wrapper: Sequence[str] = ()) -> list[str]:
    """The command line that runs ``argv`` confined.

    setpriv, prlimit and env are of util-linux and coreutils.  SIGUSR1, with
    which qemu-img is asked for its progress, is ignored until qemu-img has
    installed its handler.  Few malloc arenas keep Ceph's many threads from
    reserving address space that nothing uses.

    :param root: whether we may, and so must, become somebody else
    :param wrapper: the beginning of a command line that is to run ``argv``
    """
    return [
        'setpriv', *(_drop(limits.user) if root else []), '--no-new-privs',
        '--pdeathsig', 'KILL', '--',
        'prlimit', f'--as={limits.memory}', f'--cpu={limits.cpu}',
        f'--fsize={limits.file_size}', '--core=0', '--',
        # Options first: behind an assignment they would be assignments.
        'env', '-i', '--ignore-signal=USR1', 'LC_ALL=C', 'PATH=/usr/bin:/bin',
        'MALLOC_ARENA_MAX=4', *wrapper, *argv]


def let_use(descriptor: int, user: str) -> None:
    """Let a program that inherits a file open it, also to write it.

    :param user: whom the program runs as if we are root
    """
    os.fchmod(descriptor, 0o600)
    if os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        os.fchown(descriptor, entry.pw_uid, entry.pw_gid)


def let_read(descriptor: int, user: str) -> None:
    """The same for a file that it has no business to write.

    It gets there as one of the group: an owner could let itself write.
    """
    if os.geteuid() == 0:
        os.fchown(descriptor, -1, pwd.getpwnam(user).pw_gid)
    os.fchmod(descriptor, 0o440)


def run(argv: Sequence[str], limits: Limits, inherited: Sequence[int] = (),
        look: Look | None = None, sandboxed: bool = False) -> str:
    """Run a program to its end.

    :param inherited: descriptors that it keeps
    :param look: called twice a second; without it, the program has to end
        within the time that counts as a stall
    :param sandboxed: let it see nothing but the descriptors it inherits
    :returns: its standard output
    :raises Failed: when it fails, stalls or is killed
    """
    with memfd.file('stdout') as out, memfd.file('stderr') as err, \
            memfd.file('sandbox') as facts:
        wrapper = sandbox.wrapper(argv[0], facts) if sandboxed else []
        # Forked by the thread that waits for it: should the thread die, so
        # does the program.
        with Process(
                command(argv, limits, os.geteuid() == 0, wrapper),
                stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                pass_fds=(*inherited, *([facts] if sandboxed else [])),
                cwd='/') as process:
            try:
                _watch(process, lambda: _looked(look, process.pid, err, (
                    facts if sandboxed else None)), limits)
            except BaseException:
                _kill(process, facts if sandboxed else None)
                raise
        if process.returncode:
            raise Failed(reason(argv[0], process.returncode,
                                memfd.tail(err)))
        return memfd.text(out)


def _kill(process: 'subprocess.Popen[bytes]', facts: int | None) -> None:
    """End a program, and let its sandbox wait for it.

    Killed itself, the sandbox would leave that to the host's first process,
    which in a container may not do it.
    """
    inside = None if facts is None else sandbox.pid(facts)
    if inside is not None and process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(inside, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    process.kill()


def _looked(look: Look | None, pid: int, err: int, facts: int | None) -> bool:
    inside = pid if facts is None else sandbox.pid(facts)
    return look is not None and inside is not None and look(inside, err)


def _drop(user: str) -> list[str]:
    entry = pwd.getpwnam(user)
    group = grp.getgrgid(entry.pw_gid).gr_name
    return ['--reuid', user, '--regid', group, '--clear-groups',
            '--inh-caps=-all', '--bounding-set=-all']


def _watch(process: 'subprocess.Popen[bytes]', moving: Callable[[], bool],
           limits: Limits) -> None:
    moved = time.monotonic()
    with _ending(process) as ended:
        while not ended(TICK):
            now = time.monotonic()
            if moving():
                moved = now
            if now - moved > limits.stall:
                raise Failed(f'no progress for {limits.stall:.0f} seconds')


@contextlib.contextmanager
def _ending(process: 'subprocess.Popen[bytes]',
            ) -> Iterator[Callable[[float], bool]]:
    """Waits for the end of a program.

    ``Popen.wait`` with a time limit sleeps up to 50 ms between its looks,
    half as long as cryptsetup works for a header; the kernel reports it at
    once (pidfd_open(2): Linux 5.3).

    :returns: waits some seconds, and answers whether it has ended
    """
    descriptor = _pidfd(process.pid)
    if descriptor is None:
        yield lambda seconds: _waited(process, seconds)
        return
    try:
        # Also eventlet's, which lets other green threads run.
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            yield lambda seconds: (bool(selector.select(seconds))
                                   and _waited(process, None))
    finally:
        os.close(descriptor)


def _pidfd(pid: int) -> int | None:
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None  # an older kernel, or a container that forbids it


def _waited(process: 'subprocess.Popen[bytes]',
            seconds: float | None) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def reason(name: str, code: int, said: str) -> str:
    """Why a program ended as it did, for users.

    :param code: how it ended; negative or, by a shell's custom, above 128
        for a signal
    :param said: what it wrote to its standard error
    """
    last = ' '.join(said.split())[-500:] or 'it said nothing'
    if sandbox.refused(last):
        return (f'{name} cannot be confined on this host, so it is not run '
                f'on an image (see rbd-imgdriver-manage doctor): {last}')
    how = f'failed ({code})'
    code = 128 - code if code > 128 else code
    if code < 0:
        how = f'was killed by signal {-code} ({signal.strsignal(-code)})'
    return f'{name} {how}: {last}'
