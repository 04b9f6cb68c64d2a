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

"""Who waits is let in in the order of arrival."""

import threading

import pytest

from rbd_imgdriver.importer import fair_semaphore

SOON = 0.01  # between two ticks


class Guest:
    """A thread that takes a turn and keeps it until told to go."""

    def __init__(self, door: fair_semaphore.Turns) -> None:
        self.inside = threading.Event()
        self.waiting = threading.Event()
        self.leave = threading.Event()
        self._door = door
        self._thread = threading.Thread(target=self._visit)
        self._thread.start()

    def _visit(self) -> None:
        with self._door.turn(self.waiting.set, SOON):
            self.inside.set()
            self.leave.wait(30)

    def go(self) -> None:
        self.leave.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


def test_so_many_at_a_time():
    door = fair_semaphore.Turns(2)
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
    door = fair_semaphore.Turns(1)
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
    door = fair_semaphore.Turns(1)
    inside = Guest(door)
    assert inside.inside.wait(30)

    def give_up() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), door.turn(give_up, SOON):
        pass
    inside.go()

    with door.turn(give_up, SOON):
        pass  # the place is free


def test_an_error_inside_frees_the_place():
    door = fair_semaphore.Turns(1)
    with pytest.raises(ZeroDivisionError), door.turn(lambda: None):
        raise ZeroDivisionError

    with door.turn(lambda: pytest.fail('nobody is inside'), SOON):
        pass
