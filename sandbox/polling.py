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

"""Waiting until something is ready, never for a fixed time."""

from __future__ import annotations

from collections.abc import Callable
import http.client
import socket
import threading
import time
import urllib.error
import urllib.request

from sandbox import errors

INTERVAL = 0.1

# Set once, when the program gives up: every wait ends.
CANCELLED = threading.Event()

# Everything is on loopback: never through the proxy of the environment.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def wait_until(ready: Callable[[], bool], timeout: float,
               interval: float = INTERVAL) -> bool:
    """Ask until the answer is yes; False if that takes too long."""
    end = time.monotonic() + timeout
    while not ready():
        if time.monotonic() > end:
            return False
        if CANCELLED.wait(interval):
            raise errors.Cancelled()
    return True


def tcp_answers(port: int) -> bool:
    """Whether somebody accepts connections on this port of loopback."""
    try:
        socket.create_connection(('127.0.0.1', port), 1).close()
    except OSError:
        return False
    return True


def tcp_greets(port: int) -> bool:
    """Whether a server on this port sends something by itself."""
    try:
        with socket.create_connection(('127.0.0.1', port), 1) as connection:
            connection.settimeout(1)
            return bool(connection.recv(1))
    except OSError:
        return False


def http_answers(url: str) -> bool:
    """Whether this address gives a page without an error."""
    try:
        with DIRECT.open(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 300
    except (OSError, http.client.HTTPException):
        return False
