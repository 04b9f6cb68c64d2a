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

"""Places are given out in turn, and nobody gets all of them."""

import threading

import pytest

from rbd_imgdriver.importer import fair_semaphore

SOON = 0.01  # between two ticks


class Guest:
    """A thread that takes a turn and keeps it until it may go."""

    def __init__(self, door: fair_semaphore.FairSemaphore,
                 owner: str | None = None) -> None:
        self.inside = threading.Event()
        self.waiting = threading.Event()
        self.leave = threading.Event()
        self._door = door
        self._owner = owner
        self._thread = threading.Thread(target=self._visit)
        self._thread.start()

    def _visit(self) -> None:
        with self._door.turn(self.waiting.set, self._owner, SOON):
            self.inside.set()
            self.leave.wait(30)

    def go(self) -> None:
        self.leave.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


def test_so_many_at_a_time():
    door = fair_semaphore.FairSemaphore(2)
    first, second = Guest(door), Guest(door)
    assert first.inside.wait(30)
    assert second.inside.wait(30)
    third = Guest(door)
    assert third.waiting.wait(30)
    assert not third.inside.is_set()

    first.go()

    assert third.inside.wait(30)
    second.go()
    third.go()


def test_in_order():
    door = fair_semaphore.FairSemaphore(1)
    guests = [Guest(door)]
    assert guests[0].inside.wait(30)
    for _ in range(5):
        guests.append(Guest(door))
        assert guests[-1].waiting.wait(30)

    for number, guest in enumerate(guests):
        assert guest.inside.wait(30)
        assert not any(later.inside.is_set()
                       for later in guests[number + 1:])
        guest.go()


def test_who_gives_up_waiting_takes_no_place():
    door = fair_semaphore.FairSemaphore(1)
    inside = Guest(door)
    assert inside.inside.wait(30)

    def give_up() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), door.turn(give_up, every=SOON):
        pass
    inside.go()

    with door.turn(give_up, every=SOON):
        pass  # the place is free


def test_an_error_inside_frees_the_place():
    door = fair_semaphore.FairSemaphore(1)
    with pytest.raises(ZeroDivisionError), door.turn(lambda: None):
        raise ZeroDivisionError

    with door.turn(lambda: pytest.fail('nobody is inside'),
                   every=SOON):
        pass


def test_nobody_has_the_last_place():
    door = fair_semaphore.FairSemaphore(4)
    greedy = [Guest(door, 'greedy') for _ in range(3)]
    for guest in greedy:
        assert guest.inside.wait(30)
    fourth = Guest(door, 'greedy')
    assert fourth.waiting.wait(30)
    assert not fourth.inside.is_set()

    other = Guest(door, 'other')

    assert other.inside.wait(30)
    other.go()
    assert not fourth.inside.is_set()
    for guest in greedy:
        guest.go()
    assert fourth.inside.wait(30)
    fourth.go()


def test_who_has_the_fewest_comes_next():
    door = fair_semaphore.FairSemaphore(3)
    inside = [Guest(door, owner) for owner in ('one', 'one', 'two')]
    for guest in inside:
        assert guest.inside.wait(30)
    waiting = []
    for owner in ('one', 'two', 'three'):
        waiting.append(Guest(door, owner))
        assert waiting[-1].waiting.wait(30)
    one, two, three = waiting

    inside[2].go()  # "two" has none now, and came before "three"

    assert two.inside.wait(30)
    inside[0].go()
    assert three.inside.wait(30)
    assert not one.inside.is_set()
    for guest in (inside[1], two, three):
        guest.go()
    assert one.inside.wait(30)
    one.go()


def test_a_single_place_is_given_to_anybody():
    door = fair_semaphore.FairSemaphore(1)
    with door.turn(lambda: pytest.fail('it is free'), 'one', SOON):
        pass


def test_nothing_is_kept_of_who_has_gone():
    door = fair_semaphore.FairSemaphore(2)
    for number in range(3):
        with door.turn(lambda: pytest.fail('it is free'), f'project-{number}'):
            pass
    assert not door._inside
