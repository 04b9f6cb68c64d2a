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
"""No client can keep a thread or a descriptor of the service."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from rbd_imgdriver import metrics_listener

PATIENCE = 1.0


@pytest.fixture
def listener() -> Iterator[metrics_listener.Listener]:
    made = metrics_listener.Listener('127.0.0.1', 0, 'text/plain',
                                     lambda: b'metrics\n', PATIENCE)
    yield made
    made.close()


def connect(listener: metrics_listener.Listener) -> socket.socket:
    return socket.create_connection(('127.0.0.1', listener.port), 60)


def read(listener: metrics_listener.Listener) -> bytes:
    url = f'http://127.0.0.1:{listener.port}/metrics'
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


def ends(client: socket.socket) -> bool:
    """Whether the server hangs up within a minute."""
    with contextlib.suppress(ConnectionError):
        while client.recv(4096):
            pass
    return True


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_request_is_answered(listener):
    assert read(listener) == b'metrics\n'


def test_an_idle_client_is_dropped(listener):
    with connect(listener) as client:
        assert ends(client)


def test_so_is_one_that_sends_a_byte_now_and_then(listener):
    """The timeout of a socket begins again with each byte."""
    with connect(listener) as client:
        gone = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not gone.wait(PATIENCE / 5):
                    client.send(b'G')
            gone.set()

        threading.Thread(target=drip, daemon=True).start()
        try:
            assert ends(client)
        finally:
            gone.set()


def test_a_crowd_leaves_nothing_behind(listener):
    threads = threading.active_count()
    files = len(os.listdir('/proc/self/fd'))

    crowd = [connect(listener) for _ in range(200)]
    assert threading.active_count() < threads + 50
    for client in crowd:
        assert ends(client)
        client.close()

    until(lambda: threading.active_count() <= threads)
    assert len(os.listdir('/proc/self/fd')) <= files
    assert read(listener) == b'metrics\n'


def test_an_end_is_an_end(listener):
    listener.close()

    with pytest.raises(OSError), connect(listener):
        pass


UNDER_EVENTLET = '''
import eventlet
eventlet.monkey_patch()
import socket, time, urllib.request
from rbd_imgdriver import metrics_listener
made = metrics_listener.Listener('127.0.0.1', 0, 'text/plain',
                                 lambda: b'metrics', 1.0)
idle = socket.create_connection(('127.0.0.1', made.port))
url = f'http://127.0.0.1:{made.port}/'
print(urllib.request.urlopen(url).read().decode())
print(repr(idle.recv(1)))
made.close()
'''


def test_on_the_event_loop():
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c',
                           UNDER_EVENTLET], check=True, text=True,
                          timeout=120, stdout=subprocess.PIPE)

    assert done.stdout.split() == ['metrics', "b''"]
