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
"""Thousands of mutants through all ways into a volume, and their counts.

    python -m tests.functional.importer.mutate [--count N] [--seed N]

Each image goes by one way, in turn; ``--all-ways`` sends each by every way.
It ends with a table, and with status 1 unless every fault is counted 0.  An
image that showed a fault is kept.  Before it starts, images that qemu-img
follows without a sandbox have to set off what watches.
"""

import argparse
import collections
from collections.abc import Iterator
from concurrent import futures
import contextlib
import ctypes
import dataclasses
import logging
import multiprocessing
import os
import pathlib
import resource
import shutil
import signal
import sys
import tempfile
import time

from sandbox import ceph
from tests.functional.importer import attack
from tests.functional.importer.conftest import write_disk
from tests.functional.importer import corpus
from tests.functional.importer import mutations
from tests.functional.importer import ways

KEPT = pathlib.Path('.test-results/mutations')
_PR_SET_PDEATHSIG = 1  # prctl(2)
_EVERY = 30.0  # seconds between two lines of progress


@dataclasses.dataclass(frozen=True)
class Plan:
    """What all workers know.

    :param home: of the cluster and of the workers' files
    :param everywhere: send each image by every way
    :param by_hand: the corpus of images made by hand, not mutants
    """

    home: pathlib.Path
    seed: int
    everywhere: bool
    by_hand: bool
    workers: int

    @property
    def pools(self) -> list[str]:
        """One for each worker, so that each knows what is left behind."""
        return [f'attack-{number}' for number in range(self.workers)]

    @property
    def cluster(self) -> ceph.Cluster:
        """Ours, until we end."""
        return ceph.Cluster(self.home / 'ceph',
                            pools=['images', *self.pools], bound=True)

    def ways(self, number: int) -> list[str]:
        """By which ways an image goes."""
        return list(ways.WAYS) if self.everywhere else [way_of(number)]


def way_of(number: int) -> str:
    """By which way an image goes that goes by one only."""
    # Every kind of image comes by all of them in six rounds.
    return list(ways.WAYS)[(number + 2 * (number // len(mutations.KINDS)))
                           % len(ways.WAYS)]


@dataclasses.dataclass(frozen=True)
class Row:
    """What is counted together."""

    family: str
    way: str


Results = list[tuple[Row, attack.Outcome, str]]


class Worker:
    """Attacks one pool, in a process of its own.

    :param number: among the workers
    """

    def __init__(self, plan: Plan, number: int) -> None:
        logging.disable(logging.ERROR)
        self._plan = plan
        room = plan.home / f'worker-{number}'
        room.mkdir()
        self._made = mutations.originals(room, write_disk(
            room / 'disk', mutations.DISK))
        self.attack = attack.Attack(plan.cluster, plan.pools[number],
                                    room / 'attack')
        self.control(room)

    def control(self, room: pathlib.Path) -> None:
        """Let nobody count what nobody would see.

        :raises AssertionError: when the watch is blind
        """
        for name, control in mutations.controls(
                self._made, self.attack.targets).items():
            seen = control.follow(room, self.attack.seen)
            assert list(seen) == [control.sets_off], (name, seen)

    def run(self, number: int) -> Results:
        """One image."""
        if self._plan.by_hand:
            return self._run_case(corpus.every()[number])
        mutant = mutations.mutant(self._made, self.attack.targets,
                                  self._plan.seed, number)
        given = ways.Given(mutant.declared, mutant.data,
                           packed=mutant.packed())
        reference = attack.Reference(given.declared, given.data)
        results = []
        for way in self._plan.ways(number):
            outcome = self.attack.run(way, given, reference)
            if outcome.faults:
                _keep(mutant.name, way, given, outcome)
            results.append((Row(mutant.original.partition('-')[0], way),
                            outcome, mutant.name))
        return results


    def _run_case(self, one: corpus.Case) -> Results:
        """One of those that were made by hand."""
        given = ways.Given(one.declared, one.make(
            self._made, self.attack.targets.path), one.container)
        results = []
        for way in ways.WAYS:
            outcome = self.attack.run(way, given)
            if one.refused and outcome.result == attack.ACCEPTED:
                outcome.faults['wrong'] = 'nothing but a refusal is right'
            if outcome.faults:
                _keep(str(one), way, given, outcome)
            results.append((Row(one.declared, way), outcome, str(one)))
        return results


def _keep(name: str, way: str, given: ways.Given,
          outcome: attack.Outcome) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f'{name.partition("/")[0]}-{way}'
    path.write_bytes(given.packed if way == 'gzip' else given.data)
    path.with_suffix('.txt').write_text(f'{name}\n{outcome}\n')


_worker: Worker | None = None


def _begin(plan: Plan, numbers: 'multiprocessing.Queue[int]') -> None:
    global _worker
    # Without us nobody hears of what it finds.
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # we stop it
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _worker = Worker(plan, numbers.get())


def _work(number: int) -> tuple[Results, int]:
    assert _worker is not None
    results = _worker.run(number)
    return results, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextlib.contextmanager
def _started(plan: Plan) -> Iterator[None]:
    cluster = plan.cluster
    try:
        cluster.start()
        cluster.create_user('cinder', {
            'mon': 'profile rbd', 'mgr': 'profile rbd',
            'osd': ', '.join([*(f'profile rbd pool={name}'
                                for name in plan.pools),
                              'profile rbd-read-only pool=images'])})
        yield
    finally:
        cluster.purge()


class Counts:
    """What came of the images, by what they were made of and their way."""

    def __init__(self) -> None:
        self._rows: dict[Row, collections.Counter[str]] = {}

    def add(self, row: Row, outcome: attack.Outcome) -> None:
        count = self._rows.setdefault(row, collections.Counter())
        count['images'] += 1
        count[outcome.result] += 1
        count.update(outcome.faults.keys())

    @property
    def faults(self) -> int:
        return sum(self._total(None)[fault] for fault in attack.FAULTS)

    def _total(self, way: str | None) -> 'collections.Counter[str]':
        total: collections.Counter[str] = collections.Counter()
        for row, count in self._rows.items():
            if way in (None, row.way):
                total += count
        return total

    def lines(self) -> Iterator[str]:
        """The table."""
        everything = self._total(None)
        codes = sorted(set(everything) - {'images', attack.ACCEPTED, 'none',
                                          *attack.FAULTS})
        columns = ['images', attack.ACCEPTED, *codes, *attack.FAULTS]
        rows = [('', '', columns)]
        for row in sorted(self._rows, key=lambda row: (row.family, row.way)):
            rows.append((row.family, row.way, [
                str(self._rows[row][column]) for column in columns]))
        for way in [*ways.WAYS, None]:
            total = self._total(way)
            rows.append(('all', way or 'all', [
                str(total[column]) for column in columns]))
        widths = [len(column) for column in columns]
        for family, way, cells in rows:
            yield f'{family:<6} {way:<10} ' + '  '.join(
                f'{cell:>{width}}' for cell, width in zip(
                    cells, widths, strict=True))


def run(plan: Plan, count: int) -> Counts:
    """Send images in; says how far it is and what it finds."""
    counts = Counts()
    context = multiprocessing.get_context('spawn')
    numbers = context.Queue()
    for number in range(plan.workers):
        numbers.put(number)
    started = reported = time.monotonic()
    memory = 0
    done = 0
    pool = futures.ProcessPoolExecutor(
        plan.workers, context, _begin, (plan, numbers))
    try:
        for results, peak in pool.map(_work, range(count)):
            done += 1
            memory = max(memory, peak)
            for row, outcome, name in results:
                counts.add(row, outcome)
                if outcome.faults:
                    print(f'FAULT {row.way} {name}: {outcome.faults}',
                          flush=True)
            if time.monotonic() - reported > _EVERY:
                reported = time.monotonic()
                print(f'{done} of {count} after {reported - started:.0f} s, '
                      f'{counts.faults} faults', flush=True)
    except KeyboardInterrupt:
        print('stopped')  # and what there is counts
    finally:
        pool.shutdown(cancel_futures=True)
    print(f'{done} images in {time.monotonic() - started:.0f} s; a worker '
          f'took up to {memory // 1024} MiB')
    return counts


def _stop(number: int, frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--count', type=int, default=5000)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--all-ways', action='store_true')
    parser.add_argument('--corpus', action='store_true',
                        help='the images made by hand, by every way')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    shutil.rmtree(KEPT, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix='attack-') as home:
        plan = Plan(pathlib.Path(home), options.seed, options.all_ways,
                    options.corpus, options.workers)
        with _started(plan):
            counts = run(plan, len(corpus.every()) if options.corpus
                         else options.count)
    if not options.corpus:
        print(f'seed {options.seed}')
    for line in counts.lines():
        print(line)
    if counts.faults:
        print(f'{counts.faults} faults; the images are in {KEPT}')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
