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
"""A connected client of a cluster, and who is using it.

librados aborts the process when it is torn down while its threads run or an
image is still open.  A client that is never shut down keeps its watches and
its exclusive locks, which make images impossible to delete.  So whoever works
with a client checks it out, and a client that was replaced is shut down when
the last of them gives it back.
"""

from collections.abc import Iterator
import contextlib
from typing import Any

from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import errors

# After these errors the client is replaced.  After an outage a client looks
# for its cluster less and less often; a new one finds it at once.
LOST = (errors.Disconnected, errors.TimedOut)


class Client:
    """One ``rados.Rados`` with its I/O contexts.

    :param handle: the connected ``rados.Rados``
    :ivar clone_format: what "auto" means for clones, once that was asked
    """

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.clone_format: int | None = None
        self._lock = blocking.native_threading.Lock()
        self._ioctxs: dict[tuple[int, str], Any] = {}
        self._users = 0
        self._retired = False
        self._unused = blocking.native_threading.Event()
        self._closer: Any = None

    def __repr__(self) -> str:
        with self._lock:
            if self._closer is not None:
                state = ('shutting down' if self._closer.is_alive()
                         else 'shut down')
            else:
                state = 'replaced' if self._retired else 'connected'
            return (f'<Client {state}, users: {self._users}, '
                    f'I/O contexts: {len(self._ioctxs)}>')

    @property
    def is_closed(self) -> bool:
        """Whether it has been shut down."""
        with self._lock:
            return self._closer is not None and not self._closer.is_alive()

    def enter(self) -> bool:
        """Check the client out; False when it has been replaced."""
        with self._lock:
            if self._retired:
                return False
            self._users += 1
            return True

    def leave(self) -> None:
        """Give it back; the last user of a replaced client shuts it down."""
        with self._lock:
            self._users -= 1
            self._close_if_unused()

    def hold(self) -> 'Hold':
        """Check it out once more, by a caller that has it checked out."""
        with self._lock:
            self._users += 1
        return Hold(self)

    def retire(self) -> None:
        """Let nobody else check it out, and shut it down after the last."""
        with self._lock:
            self._retired = True
            self._close_if_unused()

    def join(self, seconds: float) -> bool:
        """Wait until a client that was retired is shut down.

        :returns: whether it is
        """
        if self._unused.wait(seconds):
            self._closer.join(seconds)
        return self.is_closed

    def ioctx(self, pool: str, namespace: str = '') -> Any:
        """The shared I/O context of a pool; the caller must not close it.

        :param namespace: RBD namespace within the pool
        :raises errors.PoolNotFound: when there is no such pool
        """
        # By number: a pool that is deleted and made again has another one,
        # and an I/O context of the old one finds nothing.
        number = self.pool_number(pool)
        if number is not None:
            with self._lock:
                known = self._ioctxs.get((number, namespace))
            if known is not None:
                return known
        opened = self.open(pool)
        opened.set_namespace(namespace)
        with self._lock:
            return self._ioctxs.setdefault(
                (opened.get_pool_id(), namespace), opened)

    def open(self, pool: str) -> Any:
        """A new I/O context, which the caller has to close.

        :raises errors.PoolNotFound: when there is no such pool
        """
        with errors.translated(f'pool {pool}', errors.PoolNotFound):
            return self.handle.open_ioctx(pool)

    def pool_number(self, pool: str) -> int | None:
        """A pool's number in the map that the client holds; costs 2 us."""
        try:
            with errors.translated(f'pool {pool}', errors.PoolNotFound):
                number: int | None = self.handle.pool_lookup(pool)
        except errors.PoolNotFound:
            return None
        return number

    def _close_if_unused(self) -> None:
        """Shut down once, with the lock held; nobody's request waits."""
        if self._retired and not self._users and self._closer is None:
            self._closer = blocking.native_threading.Thread(
                target=self._close, daemon=True)
            self._closer.start()
            self._unused.set()

    def _close(self) -> None:
        for ioctx in self._ioctxs.values():
            ioctx.close()
        self.handle.shutdown()


class Hold:
    """A client that is kept for what outlasts a call, as open images do."""

    def __init__(self, client: Client) -> None:
        self._client: Client | None = client

    @contextlib.contextmanager
    def translated(self, subject: str) -> Iterator[None]:
        """As :func:`errors.translated`; replaces a client that is lost."""
        try:
            with errors.translated(subject):
                yield
        except LOST:
            if self._client is not None:
                self._client.retire()
            raise

    def release(self) -> None:
        """Give the client back; once more does no harm."""
        client, self._client = self._client, None
        if client is not None:
            client.leave()


class Checkout:
    """A client that is checked out for one call."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._numbers: dict[str, int] = {}

    def ioctx(self, pool: str, namespace: str = '') -> Any:
        """See :meth:`Client.ioctx`."""
        ioctx = self.client.ioctx(pool, namespace)
        self._numbers[pool] = ioctx.get_pool_id()
        return ioctx

    def pools_were_replaced(self) -> bool:
        """Whether a pool that the call used was deleted meanwhile.

        A client learns that from the first answer of a server that knows.
        What the call found, or did not find, says nothing of a new pool of
        the same name.
        """
        return any(self.client.pool_number(pool) != number
                   for pool, number in self._numbers.items())
