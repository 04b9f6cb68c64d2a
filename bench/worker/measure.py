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

"""What an operation costs the process that does it."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import dataclasses
import os
import pathlib
import resource
import time
from typing import Any

# Locks and threads must be real ones: eventlet's would stand still while a
# native thread works.
try:
    from eventlet import patcher
    threading: Any = patcher.original('threading')
except ImportError:
    import threading  # type: ignore[no-redef]

_LOOK = 0.02  # seconds between two looks at temporary files and memory
_PAGE = os.sysconf('SC_PAGE_SIZE')


@dataclasses.dataclass
class Cost:
    """What one operation took.

    :param seconds: wall time
    :param cpu_seconds: of this process and the programs it ran
    :param temp_bytes: the most that temporary files occupied
    :param memory_bytes: the most resident memory above that before
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    temp_bytes: int = 0
    memory_bytes: int = 0


def cpu_seconds() -> float:
    """CPU time of this process and of its children that have ended."""
    return sum(usage.ru_utime + usage.ru_stime for usage in (
        resource.getrusage(resource.RUSAGE_SELF),
        resource.getrusage(resource.RUSAGE_CHILDREN)))


def resident_bytes(pid: int | str = 'self') -> int:
    """Resident memory of a process; 0 when it is gone."""
    try:
        statm = pathlib.Path(f'/proc/{pid}/statm').read_text()
    except OSError:
        return 0
    return int(statm.split()[1]) * _PAGE


def temporary_bytes(directory: str) -> int:
    """What the files of a directory occupy, those without a name included."""
    blocks = {}
    for entry in pathlib.Path(directory).rglob('*'):
        _note(entry, blocks)
    for link in pathlib.Path('/proc/self/fd').iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(link).startswith(directory + '/'):
                _note(link, blocks)
    return sum(blocks.values()) * 512


def _note(path: pathlib.Path, blocks: dict[int, int]) -> None:
    with contextlib.suppress(OSError):
        status = path.stat()
        blocks[status.st_ino] = status.st_blocks


def children() -> list[str]:
    """The ids of the programs that this process runs now."""
    found = []
    for task in pathlib.Path('/proc/self/task').iterdir():
        with contextlib.suppress(OSError):
            found += (task / 'children').read_text().split()
    return found


@contextlib.contextmanager
def measured(watched: str | None = None) -> Iterator[Cost]:
    """Measure what happens in the context.

    :param watched: directory of temporary files.  Watching it and the
        memory costs a little, so short operations go without
    """
    cost = Cost()
    with _watching(watched, cost) if watched else contextlib.nullcontext():
        cpu, started = cpu_seconds(), time.perf_counter()
        try:
            yield cost
        finally:
            cost.seconds = time.perf_counter() - started
            cost.cpu_seconds = cpu_seconds() - cpu


@contextlib.contextmanager
def _watching(directory: str, cost: Cost) -> Iterator[None]:
    done = threading.Event()
    before = resident_bytes()

    def look() -> None:
        while not done.wait(_LOOK):
            cost.temp_bytes = max(cost.temp_bytes,
                                  temporary_bytes(directory))
            memory = sum(map(resident_bytes, ['self', *children()]))
            cost.memory_bytes = max(cost.memory_bytes, memory - before)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
