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
"""Connecting when librados hangs, fails, or comes back too late."""

from concurrent import futures
import threading
import time

import pytest

from rbd_imgdriver.ceph import client
from rbd_imgdriver.ceph import connecting
from rbd_imgdriver.ceph import errors

SECONDS = 20  # far longer than anything here takes when all is well


class Handle:
    """What there is of a ``rados.Rados`` that nobody uses."""

    def __init__(self) -> None:
        self.was_shut_down = threading.Event()

    def shutdown(self) -> None:
        self.was_shut_down.set()


class Cluster:
    """A cluster that answers when it is let, and counts who connects."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.handles: list[Handle] = []
        self.begun = 0

    def connect(self) -> client.Client:
        self.begun += 1
        assert self.answers.wait(SECONDS)
        self.handles.append(Handle())
        return client.Client(self.handles[-1])


@pytest.fixture
def cluster():
    made = Cluster()
    yield made
    made.answers.set()


def test_all_wait_for_one_attempt_and_share_its_client(cluster):
    connector = connecting.Connector(cluster.connect, SECONDS, 'ceph')
    with futures.ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(connector.enter) for _ in range(8)]
        while 'connecting' not in repr(connector):
            pass
        cluster.answers.set()
        entered = {one.result() for one in waiting}

    assert len(entered) == 1
    assert cluster.begun == 1
    assert 'users: 8' in repr(connector)


def test_all_get_the_error_of_the_one_attempt():
    begun = []

    def connect() -> client.Client:
        begun.append(1)
        raise errors.KeyTooNew('ceph: the key')

    connector = connecting.Connector(connect, SECONDS, 'ceph')
    for _ in range(2):
        with pytest.raises(errors.KeyTooNew, match='the key'):
            connector.enter()
    assert len(begun) == 2  # the next caller tries again


def test_an_attempt_that_hangs_holds_nobody_up_for_long(cluster):
    connector = connecting.Connector(cluster.connect, 0.1, 'ceph')
    started = time.monotonic()
    with futures.ThreadPoolExecutor(4) as threads:
        for one in [threads.submit(connector.enter) for _ in range(4)]:
            with pytest.raises(errors.Unreachable, match='still connecting'):
                one.result()
    assert time.monotonic() - started < SECONDS / 2
    assert 'attempts that hang: ' in repr(connector)


def test_attempts_that_hang_are_limited_in_number(cluster):
    connector = connecting.Connector(cluster.connect, 0.05, 'ceph')
    for _ in range(6):
        with pytest.raises(errors.Unreachable) as caught:
            connector.enter()
    assert 'restart' in str(caught.value)
    assert cluster.begun == 3


def test_what_comes_too_late_is_shut_down(cluster):
    connector = connecting.Connector(cluster.connect, 0.05, 'ceph')
    with pytest.raises(errors.Unreachable):
        connector.enter()
    cluster.answers.set()
    while not cluster.handles:
        pass
    assert cluster.handles[0].was_shut_down.wait(SECONDS)

    connector = connecting.Connector(cluster.connect, SECONDS, 'ceph')
    connector.enter().leave()
    assert not cluster.handles[1].was_shut_down.is_set()


def test_a_lost_client_is_replaced_and_closed_after_its_last_user(cluster):
    cluster.answers.set()
    connector = connecting.Connector(cluster.connect, SECONDS, 'ceph')
    lost = connector.enter()
    hold = lost.hold()
    with pytest.raises(errors.TimedOut), hold.translated('a stream'):
        raise errors.TimedOut('a stream')

    other = connector.enter()
    assert other is not lost
    lost.leave()
    assert 'replaced clients still in use: 1' in repr(connector)
    assert not cluster.handles[0].was_shut_down.is_set()
    hold.release()
    hold.release()  # once more does no harm
    assert cluster.handles[0].was_shut_down.wait(SECONDS)
    other.leave()
    assert not cluster.handles[1].was_shut_down.is_set()


def test_closing_waits_for_those_who_use_a_client(cluster):
    cluster.answers.set()
    connector = connecting.Connector(cluster.connect, SECONDS, 'ceph')
    used = connector.enter()
    assert not connector.close(0.05)
    used.leave()
    assert connector.close(SECONDS)
    assert cluster.handles[0].was_shut_down.is_set()
    assert connector.enter() is not used  # and connects again
