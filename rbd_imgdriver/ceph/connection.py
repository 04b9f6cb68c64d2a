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
"""One long-lived RADOS connection per cluster and user.

Opening a connection costs about 8.5 ms and a round trip to the monitors, so
a process opens one and keeps it.  librados reconnects by itself when daemons
restart; a client that was blocklisted, or that gets no answer in time, is
replaced, and shut down once nobody uses it (see
:mod:`rbd_imgdriver.ceph.client`).
"""

import atexit
from collections.abc import Iterator
import contextlib
import dataclasses
import functools
import time
from typing import Any

import rados

from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import client as ceph_client
from rbd_imgdriver.ceph import clone_format
from rbd_imgdriver.ceph import connecting
from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph import keyring

# Seconds to connect in where the operator sets no limit.  A cluster that
# works answers within 10 ms and elects new monitors within 10 s; after 60 s
# Cinder's caller has given up (rpc_response_timeout).  librados' own limit
# is 300 s.
CONNECT_SECONDS = 60

# librados keeps its limit to a second or so; after this many more it hangs.
_GRACE = 10

_EXIT_SECONDS = 5.0

_CONNECT_OPTION = 'client_mount_timeout'
_OPERATION_OPTIONS = ('rados_osd_op_timeout', 'rados_mon_op_timeout')


@dataclasses.dataclass(frozen=True)
class ClusterSpec:
    """How to reach one cluster as one user.

    :param name: name of the cluster, usually ``ceph``
    :param conf: path of its configuration file; '' for librados' default
    :param user: cephx user without ``client.``, or None
    :param timeout: seconds before connecting and every operation give up;
        0: operations wait for ever; negative: as long as Ceph's own
        configuration says. Connecting never takes longer than
        :data:`CONNECT_SECONDS` then.
    """

    name: str
    conf: str
    user: str | None
    timeout: int = -1

    def __str__(self) -> str:
        return (f'{self.user or "admin"}@{self.name} '
                f'(conf={self.conf or "default"})')


class Cluster:
    """The connection to one cluster; shared by all threads.

    Its methods block: they must be called in
    :func:`rbd_imgdriver.blocking.run`.
    """

    def __init__(self, spec: ClusterSpec) -> None:
        self.spec = spec
        limit = spec.timeout if spec.timeout > 0 else CONNECT_SECONDS
        self._connector = connecting.Connector(
            self._connect, limit + _GRACE, str(spec))
        self._here = blocking.native_threading.local()

    def __repr__(self) -> str:
        return f'<Cluster {self.spec}: {self._connector!r}>'

    @contextlib.contextmanager
    def checked_out(self) -> Iterator[ceph_client.Checkout]:
        """Work with a client that is not shut down meanwhile.

        Within the block the other methods of this thread use it.

        :raises errors.Unreachable: when the cluster cannot be reached
        """
        checkout = ceph_client.Checkout(self._connector.enter())
        outer = getattr(self._here, 'checkout', None)
        self._here.checkout = checkout
        try:
            yield checkout
        finally:
            self._here.checkout = outer
            checkout.client.leave()

    def client(self) -> Any:
        """The ``rados.Rados`` that this thread has checked out."""
        return self._checkout.client.handle

    def ioctx(self, pool: str, namespace: str = '') -> Any:
        """The shared I/O context of a pool; the caller must not close it.

        :param namespace: RBD namespace within the pool
        :raises errors.PoolNotFound: when there is no such pool
        """
        return self._checkout.ioctx(pool, namespace)

    def hold(self) -> ceph_client.Hold:
        """Keep the client that is checked out beyond the block."""
        return self._checkout.client.hold()

    def private_ioctx(self, pool: str) -> Any:
        """An I/O context of the thread's own, which it has to close.

        Opening one asks nobody.

        :raises errors.PoolNotFound: when there is no such pool
        """
        return self._checkout.client.open(pool)

    def lend(self, pool: str) -> tuple[Any, Any]:
        """A checked client and an I/O context, for code that is not ours.

        Asks the cluster for one small answer first (0.2 ms), so that a
        client that was lost is replaced before that code meets it.  The
        I/O context goes back to :func:`give_back`.

        :returns: (``rados.Rados``, ``rados.Ioctx``)
        :raises errors.TimedOut: when a new client gets no answer either
        """
        try:
            return self._lend(pool)
        except ceph_client.LOST:
            return self._lend(pool)

    @functools.cached_property
    def fsid(self) -> str:
        """The identity of the cluster."""
        with errors.translated(f'fsid of {self.spec}'):
            return str(self.client().get_fsid())

    def pool_name(self, pool_id: int) -> str:
        """The name of a pool, from the cluster map that the client holds.

        :raises errors.PoolNotFound: when there is no such pool
        """
        with errors.translated(f'pool with id {pool_id}',
                               errors.PoolNotFound):
            return str(self.client().pool_reverse_lookup(pool_id))

    def option(self, name: str) -> str | None:
        """The value of a Ceph option as this client sees it."""
        with errors.translated(f'option {name}'):
            value = self.client().conf_get(name)
        return None if value is None else str(value)

    @property
    def clone_format(self) -> int:
        """The format of new clones; see :mod:`clone_format`.

        The cluster is asked once for each client.  No byte depends on an
        answer that is out of date: librbd decides by itself.
        """
        client = self._checkout.client
        with errors.translated(f'clone format of {self.spec}'):
            configured = clone_format.configured(client.handle)
            if configured is not None:
                return configured
            if client.clone_format is None:
                client.clone_format = clone_format.automatic(client.handle)
        return client.clone_format

    def close(self, seconds: float) -> bool:
        """Shut down every client; the next caller connects again.

        :param seconds: that those who use them are given to finish
        :returns: whether all are shut down
        """
        return self._connector.close(seconds)

    @property
    def _checkout(self) -> ceph_client.Checkout:
        checkout: ceph_client.Checkout | None = getattr(
            self._here, 'checkout', None)
        if checkout is None:
            raise RuntimeError(f'{self.spec} is not checked out')
        return checkout

    def _lend(self, pool: str) -> tuple[Any, Any]:
        with self.checked_out() as checkout, contextlib.ExitStack() as undo:
            hold = checkout.client.hold()
            undo.callback(hold.release)
            with hold.translated('probe of the connection'):
                self._probe(checkout.ioctx(pool))
            if checkout.pools_were_replaced():
                checkout.ioctx(pool)
            ioctx = checkout.client.open(pool)
            undo.pop_all()
        with _lock:
            _lent[id(ioctx)] = ioctx, hold
        return checkout.client.handle, ioctx

    @staticmethod
    def _probe(ioctx: Any) -> None:
        try:
            with errors.translated('probe of the connection',
                                   errors.ObjectNotFound):
                ioctx.stat('rbd_directory')
        except (errors.ObjectNotFound, errors.PermissionDenied):
            pass  # an answer, which is all that was asked for

    def _connect(self) -> ceph_client.Client:
        spec = self.spec
        try:
            handle = rados.Rados(rados_id=spec.user, clustername=spec.name,
                                 conffile=spec.conf)
        except (rados.Error, TypeError) as error:
            raise errors.Unreachable(f'{spec}: {error}') from error
        try:
            self._set_limits(handle)
            handle.connect()
        except rados.Error as error:
            found = keyring.find(handle.conf_get, spec.user or 'admin')
            handle.shutdown()
            if found is not None and keyring.is_too_new(found, error):
                raise errors.KeyTooNew(f'{spec}: {error}: '
                                       f'{keyring.TOO_NEW}') from error
            raise errors.Unreachable(f'{spec}: {error}') from error
        return ceph_client.Client(handle)

    def _set_limits(self, handle: Any) -> None:
        if self.spec.timeout >= 0:
            for option in (*_OPERATION_OPTIONS, _CONNECT_OPTION):
                handle.conf_set(option, str(self.spec.timeout))
        configured = float(handle.conf_get(_CONNECT_OPTION) or 0)
        if self.spec.timeout <= 0 and not 0 < configured < CONNECT_SECONDS:
            handle.conf_set(_CONNECT_OPTION, str(CONNECT_SECONDS))


_clusters: dict[ClusterSpec, Cluster] = {}
_lent: dict[int, tuple[Any, ceph_client.Hold]] = {}
_lock = blocking.native_threading.Lock()


def cluster(spec: ClusterSpec) -> Cluster:
    """The process's one :class:`Cluster` for ``spec``."""
    with _lock:
        if spec not in _clusters:
            _clusters[spec] = Cluster(spec)
        return _clusters[spec]


def give_back(ioctx: Any) -> None:
    """Close an I/O context that was lent; its client may then go."""
    with _lock:
        _, hold = _lent.pop(id(ioctx), (None, None))
    ioctx.close()
    if hold is not None:
        hold.release()


def close_all(seconds: float = _EXIT_SECONDS) -> bool:
    """Shut down every client of the process.

    librados aborts a process that ends while its threads run.

    :param seconds: that those who use them are given to finish
    :returns: whether all are shut down
    """
    ends = time.monotonic() + seconds
    with _lock:
        clusters = list(_clusters.values())
    closed = [one.close(max(0.0, ends - time.monotonic()))
              for one in clusters]
    return all(closed)


atexit.register(close_all)
