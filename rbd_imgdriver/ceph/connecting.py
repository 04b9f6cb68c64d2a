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
"""Connecting: one attempt at a time, and nobody waits for it for ever.

librados may take long to find that a cluster does not answer, and a library
that hangs must not take every thread of the service with it.  So an attempt
runs in a thread of its own, all who need the connection meanwhile wait for
that one attempt, and each of them for no longer than it has left.
"""

from collections.abc import Callable
import time

from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import client as ceph_client
from rbd_imgdriver.ceph import errors

# An attempt that hangs is left behind with librados' dozen of threads.
_MOST_HANGING = 3

Connect = Callable[[], ceph_client.Client]


class Connector:
    """Holds the client of one cluster, and replaces it when it is lost.

    :param connect: makes a connected client; raises
        :class:`errors.Unreachable`
    :param seconds: that an attempt is waited for
    :param subject: what is connected to, for errors
    """

    def __init__(self, connect: Connect, seconds: float,
                 subject: str) -> None:
        self._connect = connect
        self._seconds = seconds
        self._subject = subject
        self._lock = blocking.native_threading.Lock()
        self._client: ceph_client.Client | None = None
        self._attempt: _Attempt | None = None
        self._replaced: list[ceph_client.Client] = []
        self._hanging: list[_Attempt] = []

    def __repr__(self) -> str:
        with self._lock:
            self._tidy()
            client, attempt = self._client, self._attempt
            replaced, hanging = len(self._replaced), len(self._hanging)
        parts = ['not connected' if client is None else repr(client)]
        if attempt is not None:
            parts.append(f'connecting for {attempt.age:.1f} s')
        if replaced:
            parts.append(f'replaced clients still in use: {replaced}')
        if hanging:
            parts.append(f'attempts that hang: {hanging}')
        return ', '.join(parts)

    def enter(self) -> ceph_client.Client:
        """The client, checked out; connects when there is none.

        :raises errors.Unreachable: when the cluster cannot be reached
        """
        while True:
            with self._lock:
                if self._client is not None and self._client.enter():
                    return self._client
                attempt = self._attempt = self._attempt or self._begin()
            client = None
            try:
                client = attempt.result()
            finally:
                self._end(attempt, client)

    def close(self, seconds: float) -> bool:
        """Shut down every client; the next caller connects again.

        :param seconds: that those who use them are given to finish
        :returns: whether all are shut down
        """
        ends = time.monotonic() + seconds
        with self._lock:
            if self._client is not None:
                self._replaced.append(self._client)
                self._client = None
            clients = list(self._replaced)
        for client in clients:
            client.retire()
        for client in clients:
            client.join(max(0.0, ends - time.monotonic()))
        return all(client.is_closed for client in clients)

    def _begin(self) -> '_Attempt':
        """Start an attempt; called with the lock held."""
        self._tidy()
        if len(self._hanging) >= _MOST_HANGING:
            raise errors.Unreachable(
                f'{self._subject}: {len(self._hanging)} attempts to connect '
                'hang in librados; restart this process')
        if self._client is not None:
            self._replaced.append(self._client)
            self._client = None
        return _Attempt(self._connect, self._seconds, self._subject)

    def _end(self, attempt: '_Attempt',
             client: ceph_client.Client | None) -> None:
        """Take an attempt's client over; the first who waited does it."""
        with self._lock:
            if self._attempt is not attempt:
                return
            self._attempt = None
            self._client = client
            if attempt.is_running:
                self._hanging.append(attempt)

    def _tidy(self) -> None:
        """Forget what has ended; called with the lock held."""
        self._replaced = [one for one in self._replaced if not one.is_closed]
        self._hanging = [one for one in self._hanging if one.is_running]


class _Attempt:
    """An attempt to connect; starts at once."""

    def __init__(self, connect: Connect, seconds: float,
                 subject: str) -> None:
        self._connect = connect
        self._seconds = seconds
        self._subject = subject
        self._started = time.monotonic()
        self._lock = blocking.native_threading.Lock()
        self._settled = blocking.native_threading.Event()
        self._client: ceph_client.Client | None = None
        self._error: Exception | None = None
        self._given_up = False
        self._thread = blocking.native_threading.Thread(
            target=self._work, daemon=True)
        self._thread.start()

    @property
    def age(self) -> float:
        """Seconds since its start."""
        return time.monotonic() - self._started

    @property
    def is_running(self) -> bool:
        """Whether librados has yet to return."""
        return not self._settled.is_set()

    def result(self) -> ceph_client.Client:
        """Wait for the client.

        :raises errors.CephError: why there is none; of those who wait each
            gets an exception of its own
        """
        self._settled.wait(max(0.0, self._seconds - self.age))
        with self._lock:
            self._given_up = not self._settled.is_set()
        if self._given_up:
            raise errors.Unreachable(
                f'{self._subject}: librados is still connecting after '
                f'{self._seconds:.0f} s')
        if self._error is not None:
            raise type(self._error)(str(self._error)) from self._error
        assert self._client is not None
        return self._client

    def _work(self) -> None:
        try:
            client = self._connect()
        except Exception as error:
            self._error = error
            self._settled.set()
            return
        with self._lock:
            if not self._given_up:
                self._client = client
            self._settled.set()
        if self._client is None:
            client.retire()  # too late: nobody waits for it any more
