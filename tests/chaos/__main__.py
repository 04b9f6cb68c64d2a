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
"""Run the machine: ``python -m tests.chaos --help``, or ``make chaos``.

With ``--fake`` on a pool in memory, else on a real Ceph that is started for
the run and that has faults.  Each seed is one sequence; what fails prints its
seed and what was done, and ``--seed`` runs it again.
"""

import argparse
from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import faulthandler
import json
import logging
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from typing import Any

from tests.chaos import accidents
from tests.chaos import choices
from tests.chaos import disks
from tests.chaos import fake_world
from tests.chaos import machine as machines

_SHOWN = 60  # lines of what was done
_HUNG = 900  # seconds after which a seed shows where it is, and ends


@dataclasses.dataclass
class Tally:
    """How seeds went."""

    passed: int = 0
    failed: list[int] = dataclasses.field(default_factory=list)

    def count(self, seed: int, passed: bool) -> None:
        if passed:
            self.passed += 1
        else:
            self.failed.append(seed)


def say(text: str) -> None:
    print(text, flush=True)


def run(machine: machines.Machine, seed: int, steps: int,
        against: str = '', shown: int = 1) -> bool:
    """One seed; whether nothing was wrong.

    :param against: what is to be found wrong: then nothing is cleaned up
    :param shown: multiples of it say that they have passed
    """
    began = time.monotonic()
    try:
        for _ in range(steps):
            machine.step()
        machine.check()
        if not against:
            machine.finish()
    except Exception as error:
        _report(machine, seed, error)
        return bool(against) and not isinstance(error, disks.WrongBytes)
    if seed % shown == 0:
        say(f'seed {seed}: ok, {time.monotonic() - began:.1f} s')
    return True


def _report(machine: machines.Machine, seed: int, error: Exception) -> None:
    say(f'seed {seed}: FAILED after {len(machine.log)} things; '
        'the last of them:')
    for line in machine.log[-_SHOWN:]:
        say(f'    {line}')
    if isinstance(error, disks.WrongBytes | disks.Leaked):
        say(f'  {type(error).__name__}: {error}')
    else:
        say('  ' + ''.join(traceback.format_exception(error))
            .replace('\n', '\n  '))


def on_fake(seeds: range, steps: int) -> Tally:
    """All seeds on pools in memory."""
    tally = Tally()
    for seed in seeds:
        tally.count(seed, run(machines.Machine(
            fake_world.FakeWorld(), choices.Seeded(seed)), seed, steps,
            shown=1000))
    return tally


# -- on a real Ceph: a parent with the cluster, a child that may die ---------

def on_ceph(seeds: range, arguments: argparse.Namespace) -> Tally:
    """All seeds on one cluster, in a process of their own."""
    tally = Tally()
    with _cluster() as directory:
        while seeds and not (arguments.against and tally.failed):
            last = _child(seeds, directory, arguments, tally)
            seeds = range(last + 1, seeds.stop)
    return tally


@contextlib.contextmanager
def _cluster() -> Iterator[pathlib.Path]:
    from sandbox import ceph
    from tests.functional import conftest as functional

    with tempfile.TemporaryDirectory(prefix='chaos-') as place:
        directory = pathlib.Path(place)
        cluster = ceph.Cluster(directory / 'ceph', pools=functional.POOLS)
        try:
            cluster.start()
            cluster.create_user('cinder', functional.CAPS)
            with cluster.connection() as admin:
                for kind in ('hdd', 'hybrid'):
                    # Each seed waits for what removed snapshots have held.
                    ceph.command(admin, 'config set', who='osd', value='0',
                                 name=f'osd_snap_trim_sleep_{kind}')
            yield directory
        finally:
            cluster.purge()


def _child(seeds: range, directory: pathlib.Path,
           arguments: argparse.Namespace, tally: Tally) -> int:
    """Run seeds in a process; returns the last seed that it has begun."""
    facts = {'start': seeds.start, 'stop': seeds.stop,
             'directory': str(directory), **vars(arguments)}
    read, write = os.pipe()
    child = subprocess.Popen(
        [sys.executable, '-W', 'ignore', '-m', 'tests.chaos', '--child',
         json.dumps({**facts, 'pipe': write})], pass_fds=[write])
    os.close(write)
    last, pending = seeds.start, False
    try:
        with os.fdopen(read) as answers:
            for line in answers:
                word, number = line.split()
                if word == 'begin':
                    last, pending = int(number), True
                    continue
                tally.count(int(number), word == 'passed')
                pending = False
    except BaseException:
        child.kill()  # it would start daemons again
        child.wait()
        raise
    status = child.wait()
    if pending or status:
        say(f'seed {last}: FAILED: the process ended with status {status}')
        tally.count(last, False)
    return last


def child(facts: dict[str, Any]) -> None:
    """Run seeds on a cluster that is there."""
    os.environ['OS_CINDER_DISABLE_EVENTLET_PATCHING'] = 'true'
    from sandbox import ceph
    from tests.chaos import against as opponents
    from tests.chaos import ceph_world
    from tests.chaos import faults as chaos_faults
    from tests.functional import conftest as functional
    from tests.functional import host

    logging.disable(logging.CRITICAL)
    threading.excepthook = _quiet(threading.excepthook)
    directory = pathlib.Path(facts['directory'])
    place = pathlib.Path(tempfile.mkdtemp(dir=directory))
    (place / 'conversion').mkdir()
    host.prepare(place)
    cluster = ceph.Cluster(directory / 'ceph', pools=functional.POOLS)
    opponent = opponents.OPPONENTS.get(facts['against'],
                                       opponents.Opponent())
    images = ceph_world.glance_images(cluster, place)
    faults = (chaos_faults.Faults(cluster)
              if facts['faults'] and not facts['against'] else None)
    with os.fdopen(facts['pipe'], 'w') as answers:
        for seed in range(facts['start'], facts['stop']):
            print('begin', seed, file=answers, flush=True)
            faulthandler.dump_traceback_later(_HUNG, exit=True)
            world = ceph_world.CephWorld(
                cluster, images, place, seed, faults, opponent.driver_class,
                opponent.plug_in)
            if seed == facts['start']:
                world.clear()  # a process that died has left its own
            if facts['against']:
                world.failures = ceph_world.FAILURES
            passed = run(machines.Machine(world, choices.Seeded(seed)), seed,
                         facts['steps'], facts['against'])
            print('passed' if passed else 'failed', seed, file=answers,
                  flush=True)
            world.calm()
            world.close()
            if facts['against'] or not passed:
                world.clear()
            if facts['against'] and not passed:
                return  # found


def _quiet(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A host that has crashed ends its threads; nobody has to hear of it."""
    def answer(facts: Any) -> None:
        if not issubclass(facts.exc_type, accidents.Crash):
            hook(facts)

    return answer


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m tests.chaos',
                                     description=__doc__)
    parser.add_argument('--fake', action='store_true',
                        help='on a pool in memory')
    parser.add_argument('--seeds', type=int, default=200,
                        help='how many (200)')
    parser.add_argument('--first', type=int, default=0,
                        help='the first of them (0)')
    parser.add_argument('--seed', type=int, help='this one only')
    parser.add_argument('--steps', type=int, default=0,
                        help='of each seed (40, on a real Ceph 25)')
    parser.add_argument('--against', default='', help='put in the place of '
                        "this driver's way: intree-deletion, "
                        'flatten-with-map or reuse-by-fast-diff')
    parser.add_argument('--no-faults', dest='faults', action='store_false',
                        help='the cluster itself works')
    parser.add_argument('--child', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.steps = arguments.steps or (40 if arguments.fake else 25)
    return arguments


def main() -> int:
    arguments = parsed()
    if arguments.child:
        child(json.loads(arguments.child))
        return 0
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    if arguments.seed is not None:
        seeds = range(arguments.seed, arguments.seed + 1)
    began = time.monotonic()
    # The cluster is stopped then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    logging.disable(logging.CRITICAL)
    tally = (on_fake(seeds, arguments.steps) if arguments.fake
             else on_ceph(seeds, arguments))
    say(f'{tally.passed} seeds passed, {len(tally.failed)} failed in '
        f'{time.monotonic() - began:.0f} s'
        + (f': {tally.failed}' if tally.failed else ''))
    if arguments.against:
        say(f'{arguments.against} was '
            f'{"found" if tally.failed else "NOT found"}')
        return 0 if tally.failed else 1
    return 1 if tally.failed else 0


if __name__ == '__main__':
    sys.exit(main())
