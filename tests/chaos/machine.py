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
"""Any sequence of what users, operators, guests and accidents do.

The machine knows no driver and no Ceph: a *world* has the hosts, and a
*choices* decides.  The same machine runs on the pool in memory and on a real
Ceph.  Rules are what Cinder may ask for; what it excludes from happening at
the same time is excluded here.  In the midst of an operation, before any of
its calls to Ceph, its host may crash, the other host may do something of its
own, or a guest may write.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import dataclasses
import itertools
import threading
from typing import Any

from sandbox import polling
from tests.chaos import accidents
from tests.chaos import choices as chaos_choices
from tests.chaos import disks
from tests.chaos import turns

MOST_VOLUMES = 8
MOST_SNAPSHOTS = 10
# The most calls to Ceph after which something happens: a cached clone makes
# about 10, an import through the cache 60.
MOST_CALLS = 60
_ENTRIES = 2  # of the cache
_TRIES = 20  # to find something that is possible
_ROUNDS = 12  # of sweep and repair at the end


@dataclasses.dataclass(frozen=True)
class Operation:
    """One thing to do.

    :param act: does it, on a host
    :param done: reports to the model that it was done
    :param failed: reports to the model that it may or may not have been
    :param uses: disks that must stay what they are meanwhile
    :param owns: disks that nobody else may do anything with meanwhile
    :param may_crash: whether its host may die on the way
    """

    text: str
    act: Callable[[Any], None]
    done: Callable[[], None] = lambda: None
    failed: Callable[[], None] = lambda: None
    uses: frozenset[disks.Disk] = frozenset()
    owns: frozenset[disks.Disk] = frozenset()
    may_crash: bool = True


class Machine:
    """Rules and the model; :meth:`step` does one thing.

    :ivar choices: who decides
    :ivar log: what was done, for people
    """

    def __init__(self, world: Any, choices: chaos_choices.Choices) -> None:
        self._world = world
        self.choices = choices
        self._count = itertools.count(1)
        self._busy: list[Operation] = []
        self._turns = turns.Turns(world.patience)
        # Reading and what is known of it are one: guests write meanwhile.
        self._at_disks = threading.RLock()
        self._favourite: disks.Disk | None = None
        self._habit: Iterator[Operation | None] | None = None
        self.volumes: list[disks.Disk] = []
        self.log: list[str] = []
        self._rules = [
            self._create, self._create, self._clone, self._clone,
            self._clone, self._snapshot, self._snapshot,
            self._from_snapshot, self._from_snapshot, self._write,
            self._write, self._write, self._extend, self._revert, self._revert,
            self._flatten, self._flatten, self._attach, self._attach,
            self._detach, self._delete, self._delete, self._delete_snapshot,
            self._delete_snapshot, self._migrate, self._evict, self._sweep,
            self._repair, self._resume, self._purge, self._operators_snapshot,
            self._snapshot_beside_flatten, self._restart]

    # -- a step --------------------------------------------------------------

    def step(self) -> None:
        """Do something, and look at some of the bytes."""
        try:
            self._perform(self._next(), self._idle_host())
        finally:
            self._turns.end()
        self._world.time_passes()
        self._world.misfortune(self.choices)
        self._look()

    def check(self) -> None:
        """Compare all that there is with the model."""
        for volume in self.volumes:
            self._verify(volume)
            for snapshot in volume.snapshots:
                self._verify(snapshot)

    def finish(self) -> None:
        """Delete all, repair, and see that nothing is left.

        :raises disks.WrongBytes: when something reads wrong before
        :raises disks.Leaked: when something is left
        """
        self._say('the end')
        self._world.calm()
        self.check()
        for volume in self.volumes:
            self._close(volume)
        for host in self._world.hosts:
            self._world.restart(host)
        while self.volumes:
            volume = self.choices.choose(self.volumes)
            for snapshot in list(volume.snapshots):
                self._run(self._deletion_of_snapshot(snapshot))
            self.check()
            self._run(self._deletion(volume))
        if not any(self._is_tidy() for _ in range(_ROUNDS)):
            # What a host that crashed held is kept until its lease expires.
            polling.wait_until(self._is_tidy, self._world.patience, 1)
        left = self._world.images_left() or self._world.objects_left()
        if left:
            raise disks.Leaked(f'left: {left}')

    def _is_tidy(self) -> bool:
        """Sweep and repair; whether no image is left then."""
        self._world.tidy()
        return not self._world.images_left()

    def _run(self, operation: Operation) -> None:
        self._say(operation.text)
        operation.act(self.choices.choose(self._world.hosts))
        operation.done()

    def _next(self) -> Operation:
        """What a habit has next, or something that is possible now."""
        if not self._habit and not self.choices.number(0, 5):
            self._habit = self.choices.choose(
                [self._around_a_revert, self._a_grandchild])()
        operation = next(self._habit, None) if self._habit else None
        if operation is None:
            self._habit = None
            return self._plan()
        return operation

    def _plan(self) -> Operation:
        """Something that is possible now."""
        for _ in range(_TRIES):
            operation = self.choices.choose(self._rules)()
            if operation is not None and not self._is_excluded(operation):
                return operation
        return self._sweep()

    def _is_excluded(self, operation: Operation) -> bool:
        return any(operation.owns & (other.owns | other.uses)
                   or operation.uses & other.owns for other in self._busy)

    def _perform(self, operation: Operation, host: Any) -> None:
        self._say(f'{host}: {operation.text}')
        is_first = not self._busy
        self._busy.append(operation)
        host.is_busy = True
        try:
            host.calls.has_to_wait = self._turns.wait
            if is_first:
                self._prepare_accident(host, operation)
            with self._world.guests_at_work(self):
                operation.act(host)
        except accidents.Crash:
            self._say(f'{host} has crashed')
            operation.failed()
            self._world.restart(host)
        except self._world.failures as error:
            self._say(f'{host}: it failed: {type(error).__name__}: {error}')
            operation.failed()
        else:
            operation.done()
        finally:
            host.calls.clear()
            host.is_busy = False
            self._busy.remove(operation)

    def _prepare_accident(self, host: Any, operation: Operation) -> None:
        what = self.choices.number(0, 9)
        if what < 4:
            return
        number = self.choices.number(1, self.choices.choose(
            [3, 10, 25, MOST_CALLS]))
        if what < 7 and operation.may_crash:
            host.calls.at(number, host.calls.crash)
        elif what < 9:
            host.calls.at(number, self._other_host_acts)
        else:
            host.calls.at(number, self._guest_writes)

    def _other_host_acts(self) -> None:
        # In the other's thread nothing is decided.
        operation, host = self._plan(), self._idle_host()
        self._turns.begin(lambda: self._perform(operation, host))

    def _idle_host(self) -> Any:
        return self.choices.choose(
            [one for one in self._world.hosts if not one.is_busy])

    def _guest_writes(self) -> None:
        self.guest_writes(self.choices.choose, self.choices.number)

    def guest_writes(self, choose: Callable[[list[disks.Disk]], disks.Disk],
                     number: Callable[[int, int], int]) -> None:
        """A guest writes into a volume that is its own now."""
        with self._at_disks:
            writable = self._writable()
            if writable:
                self.write(choose(writable),
                           number(0, self._world.objects - 1))

    def _writable(self) -> list[disks.Disk]:
        """What guests may write to now."""
        owned = {one for operation in self._busy for one in operation.owns}
        return [one for one in self.volumes
                if one.is_attached and one not in owned]

    def _look(self) -> None:
        """Read what is attached, and one disk more."""
        some = [one for one in self._all() if one.is_attached]
        some += [self.choices.choose(all_) for all_ in [self._all()] if all_]
        for one in dict.fromkeys(some):
            self._verify(one)

    def _verify(self, disk: disks.Disk) -> None:
        if disk.is_broken:
            return
        with self._at_disks:
            texts, size = self._world.read(disk)
            disk.learn(texts)
            assert disk.of or size == disk.size, (
                f'{disk} has {size} GiB instead of {disk.size}')

    def _say(self, text: str) -> None:
        self.log.append('  ' * max(len(self._busy), 0) + text)

    # -- choices -------------------------------------------------------------

    def _all(self) -> list[disks.Disk]:
        return [one for volume in self.volumes
                for one in [volume, *volume.snapshots] if not one.is_broken]

    def _pick(self, among: Iterable[disks.Disk]) -> disks.Disk | None:
        found = list(among)
        return self.choices.choose(found) if found else None

    def _volume(self, condition: Callable[[disks.Disk], bool] = (
            lambda _: True)) -> disks.Disk | None:
        """One that is there; often one that was chosen before.

        Bytes are lost by several things that happen to one volume.
        """
        found = [one for one in self.volumes
                 if not one.is_broken and condition(one)]
        if self._favourite in found and self.choices.number(0, 2):
            return self._favourite
        self._favourite = self._pick(found)
        return self._favourite

    def _a_snapshot(self) -> disks.Disk | None:
        return self._pick(one for one in self._all() if one.of
                          and not one.is_operators)

    def _new(self, size: int, pool: str) -> disks.Disk | None:
        if len(self.volumes) + len(self._busy) >= MOST_VOLUMES:
            return None
        real = self._world.new_volume(size)
        return disks.Disk(f'v{next(self._count)}', real, size, [], pool)

    def write(self, disk: disks.Disk, number: int) -> None:
        """Write a text that was never written before."""
        with self._at_disks:
            text = f'{next(self._count)};'
            disk.may_hold(number, text)
            try:
                self._world.write(disk, number, text)
            except self._world.failures as error:
                self._say(f'a write to {disk} failed: {error}')
            else:
                disk.holds(number, text)

    # -- habits: what loses bytes, if anything does --------------------------

    def _around_a_revert(self) -> Iterator[Operation | None]:
        """A clone before and after it, of one volume."""
        volume = self._volume(lambda one: not one.is_attached)
        if volume is None:
            return
        for make in (lambda one: self._snapshot_of(one, False),
                     self._write_into, self._clone_of, self._revert_of,
                     self._clone_of):
            yield make(volume) if self._is_there(volume) else None

    def _a_grandchild(self) -> Iterator[Operation | None]:
        """It is attached, and its first ancestor deleted."""
        first = self._volume(
            lambda one: not one.is_attached and not one.snapshots)
        made = []
        for parent in (first, None):
            parent = parent or (made[-1] if made else None)
            if not self._is_there(parent):
                return
            yield self._snapshot_of(parent, False)
            own = [one for one in parent.snapshots
                   if not one.is_broken and not one.is_operators]
            if not own:
                return
            yield self._made_from(own[-1])
            made.append(self.volumes[-1])
        if not self._is_there(made[-1]):
            return
        yield self._attach_to(made[-1])
        while first in self.volumes and first.snapshots:
            yield self._deletion_of_snapshot(first.snapshots[0])
        if first in self.volumes and not first.is_attached:
            yield self._deletion(first)

    def _is_there(self, volume: disks.Disk | None) -> bool:
        return (volume is not None and volume in self.volumes
                and not volume.is_broken)

    # -- new volumes ---------------------------------------------------------

    def _create(self) -> Operation | None:
        image = self.choices.choose(self._world.images)
        new = self._new(self.choices.number(1, 2), 'volumes')
        if new is None:
            return None
        blocks = [frozenset({text}) for text in image.texts]
        return self._making(
            f'create {new} from image {image.label}', new,
            lambda host: host.create(new.real, image), None, blocks)

    def _clone(self) -> Operation | None:
        return self._clone_of(self._volume())

    def _clone_of(self, source: disks.Disk | None) -> Operation | None:
        new = source and self._new(source.size + self.choices.number(0, 1),
                                   source.pool)
        if not source or not new:
            return None
        return self._making(
            f'clone {source} to {new}', new,
            lambda host: host.clone(new, source), source)

    def _from_snapshot(self) -> Operation | None:
        return self._made_from(self._a_snapshot())

    def _made_from(self, source: disks.Disk | None) -> Operation | None:
        new = source and self._new(source.size + self.choices.number(0, 1),
                                   source.pool)
        if not source or not new:
            return None
        return self._making(
            f'create {new} from {source}', new,
            lambda host: host.from_snapshot(new, source), source)

    def _making(self, text: str, new: disks.Disk,
                act: Callable[[Any], None], source: disks.Disk | None,
                blocks: list[frozenset[str]] | None = None) -> Operation:
        moments: list[disks.Moment] = []

        def begin(host: Any) -> None:
            self._world.set_status(new, 'creating')
            self.volumes.append(new)
            new.is_broken = True
            if source:
                moments.append(source.begin())
            act(host)

        def done() -> None:
            new.blocks = (source.end(*moments) if source
                          else list(blocks or []))
            new.is_broken = False
            self._world.set_status(new, 'available')
            self._say(f'{new} has id {self._world.identity(new)}')

        def failed() -> None:
            if source:
                source.end(*moments)
            self._world.set_status(new, 'error')

        uses = [one for one in (source, source and source.of) if one]
        return Operation(text, begin, done, failed, frozenset(uses),
                         frozenset({new}))

    # -- what volumes go through ---------------------------------------------

    def _snapshot(self) -> Operation | None:
        volume = self._volume(lambda one: len(self._all()) < MOST_SNAPSHOTS)
        return volume and self._snapshot_of(volume, False)

    def _operators_snapshot(self) -> Operation | None:
        """One that Ceph's own tools make, at whatever moment."""
        volume = self._volume(lambda one: len(self._all()) < MOST_SNAPSHOTS)
        return volume and self._snapshot_of(volume, True)

    def _snapshot_of(self, volume: disks.Disk,
                     is_operators: bool) -> Operation:
        real = self._world.new_snapshot(volume, is_operators)
        new = disks.Disk(
            f'{volume}@{next(self._count)}', real, volume.size, [],
            volume.pool, volume, is_operators=is_operators, is_broken=True)
        moments: list[disks.Moment] = []

        def act(host: Any) -> None:
            volume.snapshots.append(new)
            moments.append(volume.begin())
            if is_operators:
                self._world.operators_snapshot(new)
            else:
                host.snapshot(new)

        def done() -> None:
            new.blocks = volume.end(*moments)
            new.is_broken = False

        def failed() -> None:
            for one in moments:
                volume.end(one)

        who = 'operator\'s snapshot' if is_operators else 'snapshot'
        return Operation(f'{who} {new}', act, done, failed,
                         frozenset({volume}), frozenset({new}))

    def _snapshot_beside_flatten(self) -> Operation | None:
        """The operator's, of what is just being flattened."""
        snapshot = self._operators_snapshot()
        if snapshot is None:
            return None
        (volume,) = snapshot.uses

        def act(host: Any) -> None:
            host.flatten(volume)
            self._world.await_flatten(host, volume)
            snapshot.act(host)

        return dataclasses.replace(
            snapshot, act=act, text=f'flatten, and {snapshot.text}')

    def _write(self) -> Operation | None:
        return self._write_into(self._volume())

    def _write_into(self, volume: disks.Disk | None) -> Operation | None:
        if volume is None:
            return None
        number = self.choices.number(0, self._world.objects - 1)
        return Operation(f'write into {volume}, object {number}',
                         lambda host: self.write(volume, number),
                         owns=frozenset({volume}))

    def _extend(self) -> Operation | None:
        volume = self._volume(lambda one: one.size < 4)
        if volume is None:
            return None

        def done() -> None:
            volume.size += 1
            volume.real.size = volume.size

        return Operation(
            f'extend {volume}', lambda host: host.extend(
                volume, volume.size + 1), done, done,
            owns=frozenset({volume}), may_crash=False)

    def _revert(self) -> Operation | None:
        return self._revert_of(self._volume(
            lambda one: not one.is_attached and bool(one.snapshots)))

    def _revert_of(self, volume: disks.Disk | None) -> Operation | None:
        """To the newest snapshot, as Cinder allows."""
        if (volume is None or volume.is_attached or not volume.snapshots
                or volume.snapshots[-1].is_broken
                or volume.snapshots[-1].is_operators
                or volume.snapshots[-1].size != volume.size):
            return None
        snapshot = volume.snapshots[-1]

        def done() -> None:
            volume.blocks = list(snapshot.blocks)

        def failed() -> None:
            volume.blocks = [one | other for one, other in zip(
                volume.blocks, snapshot.blocks, strict=True)]

        return Operation(f'revert {volume} to {snapshot}',
                         lambda host: host.revert(volume, snapshot), done,
                         failed, owns=frozenset({volume, snapshot}))

    def _flatten(self) -> Operation | None:
        volume = self._volume()
        return volume and Operation(
            f'flatten {volume}', lambda host: host.flatten(volume),
            uses=frozenset({volume}))

    def _attach(self) -> Operation | None:
        return self._attach_to(self._volume())

    def _attach_to(self, volume: disks.Disk | None) -> Operation | None:
        if volume is None or volume.is_attached:
            return None

        def act(host: Any) -> None:
            host.attach(volume)
            self._world.open(volume)

        def done() -> None:
            volume.is_attached = True

        return Operation(f'attach {volume}', act, done,
                         owns=frozenset({volume}))

    def _detach(self) -> Operation | None:
        volume = self._volume(lambda one: one.is_attached)
        return volume and Operation(
            f'detach {volume}', lambda host: self._close(volume),
            owns=frozenset({volume}))

    def _close(self, volume: disks.Disk) -> None:
        with self._at_disks:
            if volume.is_attached:
                self._verify(volume)
                self._world.shut(volume)
                volume.is_attached = False

    def _migrate(self) -> Operation | None:
        """To the other pool, as Cinder does with what is not in use."""
        volume = self._volume(
            lambda one: not one.is_attached and not one.snapshots)
        if volume is None:
            return None
        target = disks.POOLS[1 - disks.POOLS.index(volume.pool)]

        def look() -> None:
            volume.pool = self._world.found(volume, target)

        return Operation(f'migrate {volume} to {target}',
                         lambda host: host.migrate(volume, target), look,
                         failed=look, owns=frozenset({volume}))

    # -- the end of volumes --------------------------------------------------

    def _delete(self) -> Operation | None:
        volume = self._pick(one for one in self.volumes
                            if not one.is_attached and not one.snapshots)
        return volume and self._deletion(volume)

    def _deletion(self, volume: disks.Disk) -> Operation:
        def act(host: Any) -> None:
            self._verify(volume)
            volume.is_broken = True
            self._world.set_status(volume, 'deleting')
            host.delete(volume)

        def done() -> None:
            self.volumes.remove(volume)
            self._world.set_status(volume, 'deleted')

        return Operation(f'delete {volume}', act, done,
                         owns=frozenset({volume}))

    def _delete_snapshot(self) -> Operation | None:
        snapshot = self._pick(one for volume in self.volumes
                              for one in volume.snapshots)
        return snapshot and self._deletion_of_snapshot(snapshot)

    def _deletion_of_snapshot(self, snapshot: disks.Disk) -> Operation:
        volume = snapshot.of
        assert volume

        def act(host: Any) -> None:
            self._verify(snapshot)
            snapshot.is_broken = True
            if snapshot.is_operators:
                self._world.operator_removes(snapshot)
            else:
                host.delete_snapshot(snapshot)

        def done() -> None:
            assert volume
            volume.snapshots.remove(snapshot)

        return Operation(f'delete snapshot {snapshot}', act, done,
                         uses=frozenset({volume}),
                         owns=frozenset({snapshot}))

    # -- what nobody waits for -----------------------------------------------

    def _evict(self) -> Operation:
        number = self.choices.number(0, _ENTRIES - 1)
        return Operation('evict an image', lambda host: host.evict(number))

    def _sweep(self) -> Operation:
        return Operation('sweep', lambda host: host.sweep())

    def _repair(self) -> Operation:
        return Operation('repair leaks', lambda host: host.repair())

    def _resume(self) -> Operation:
        return Operation('take up flattens', lambda host: host.resume())

    def _purge(self) -> Operation:
        return Operation('purge the trash', lambda host: host.purge())

    def _restart(self) -> Operation:
        return Operation('restart', self._world.restart, may_crash=False)
