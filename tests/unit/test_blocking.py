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

"""Work in native threads, with and without eventlet."""

import os
import subprocess
import sys
import threading

import pytest

from rbd_imgdriver import blocking


def test_in_order():
    seen: list[int] = []
    worker = blocking.Worker(seen.append, 2)
    for number in range(100):
        worker.put(number)
    worker.finish()

    assert seen == list(range(100))


def test_no_more_than_so_many_wait():
    """put() waits while the thread is busy and the queue full."""
    begun, go_on = threading.Event(), threading.Event()

    def work(_item: int) -> None:
        begun.set()
        assert go_on.wait(30)

    worker = blocking.Worker(work, 1)
    worker.put(1)
    assert begun.wait(30)
    worker.put(2)  # waits in the queue
    third = threading.Thread(target=worker.put, args=(3,))
    third.start()
    third.join(0.05)
    assert third.is_alive()

    go_on.set()
    third.join(30)
    worker.finish()


def test_an_error_reaches_who_puts_and_who_finishes():
    def fail(item: int) -> None:
        raise ValueError(item)

    worker = blocking.Worker(fail, 1)
    with pytest.raises(ValueError, match='0'):
        for number in range(1000):
            worker.put(number)
    with pytest.raises(ValueError, match='0'):
        worker.finish()


def test_nothing_is_done_after_it_was_abandoned():
    begun = threading.Event()
    seen: list[int] = []

    def work(item: int) -> None:
        seen.append(item)
        begun.set()
        while not worker.abandoned:
            os.sched_yield()

    worker = blocking.Worker(work, 5)
    for number in range(5):
        worker.put(number)
    assert begun.wait(30)
    worker.abandon()

    assert seen == [0]


def test_at_once_and_in_order():
    several = threading.Barrier(4, timeout=30)

    def work(item: int) -> int:
        several.wait()  # for three others
        return item * item

    assert blocking.at_once(work, range(40), 4) == [
        item * item for item in range(40)]
    assert blocking.at_once(work, [], 4) == []


def test_an_error_of_one_ends_all():
    done: list[int] = []

    def work(item: int) -> None:
        if item == 10:
            raise ValueError(item)
        done.append(item)

    with pytest.raises(ValueError, match='10'):
        blocking.at_once(work, range(100_000), 4)
    assert len(done) < 99_999


GREEN = '''
import eventlet
eventlet.monkey_patch()
import threading
import time
from rbd_imgdriver import blocking

native = blocking.native_threading
go_on = native.Event()
ticks = []


def work(item):
    assert native.current_thread() is not native.main_thread()
    assert blocking.run(native.current_thread) is native.current_thread()
    assert go_on.wait(30)


def tick():
    while len(ticks) < 20:
        ticks.append(1)
        time.sleep(0)
    go_on.set()


assert blocking.green()
threading.Thread(target=tick).start()
worker = blocking.Worker(work, 1)
for item in range(4):
    worker.put(item)  # would never return if it stopped the event loop
worker.finish()
assert len(ticks) == 20
go_on.clear()
ticks.clear()
threading.Thread(target=tick).start()
blocking.run(blocking.at_once, work, range(4), 2)
assert len(ticks) == 20
print('fine')
'''


def test_under_eventlet_the_others_go_on():
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', GREEN], timeout=60, text=True,
        capture_output=True)

    assert done.stdout == 'fine\n', done.stderr
