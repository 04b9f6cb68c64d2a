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
restart; only a client that was shut down or blocklisted has to be replaced,
which :meth:`Cluster.discard` does.
"""

import dataclasses
import functools
from typing import Any

import rados

from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import errors

_TIMEOUT_OPTIONS = ('rados_osd_op_timeout', 'rados_mon_op_timeout',
                    'client_mount_timeout')


@dataclasses.dataclass(frozen=True)
class ClusterSpec:
    """How to reach one cluster as one user.

    :param name: name of the cluster, usually ``ceph``
    :param conf: path of its configuration file; '' for librados' default
    :param user: cephx user without ``client.``, or None
    :param timeout: seconds before an operation gives up; negative for none
    """

    name: str
    conf: str
    user: str | None
    timeout: int = -1

    def __str__(self) -> str:
        return f'{self.user}@{self.name} (conf={self.conf or "default"})'


class Cluster:
    """The connection to one cluster; shared by all threads.

    Its methods block: they belong into :func:`rbd_imgdriver.blocking.run`.
    """

    def __init__(self, spec: ClusterSpec) -> None:
        self.spec = spec
        self._lock = blocking.native_threading.Lock()
        self._client: Any = None
        self._ioctxs: dict[tuple[str, str], Any] = {}

    def client(self) -> Any:
        """The connected ``rados.Rados``; connects when there is none.

        :raises errors.Unreachable: when the cluster cannot be reached
        """
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def ioctx(self, pool: str, namespace: str = '') -> Any:
        """The shared I/O context of a pool; it is not to be closed.

        :param namespace: RBD namespace within the pool
        :raises errors.PoolNotFound: when there is no such pool
        :raises errors.Unreachable: when the cluster cannot be reached
        """
        client = self.client()
        key = (pool, namespace)
        with self._lock:
            if client is self._client and key in self._ioctxs:
                return self._ioctxs[key]
        opened = self._open(client, pool)
        opened.set_namespace(namespace)
        with self._lock:
            if client is self._client:
                return self._ioctxs.setdefault(key, opened)
        return opened

    def own_ioctx(self, pool: str) -> tuple[Any, Any]:
        """A checked client and an I/O context that the caller closes.

        For code that closes what it was given.  Asks the cluster for one
        small answer first (0.2 ms), so that a blocklisted client is replaced
        before that code meets it.

        :returns: (``rados.Rados``, ``rados.Ioctx``)
        :raises errors.TimedOut: when there is no answer; the next call asks
            with a new client
        """
        client = self.client()
        ioctx = self._open(client, pool)
        try:
            self._probe(ioctx)
        except errors.Disconnected:
            ioctx.close()
            self.discard(client)
            client = self.client()
            ioctx = self._open(client, pool)
        except errors.TimedOut:
            # After a long outage a client looks for its cluster less and
            # less often; a new one finds it at once.
            ioctx.close()
            self.discard(client)
            raise
        return client, ioctx

    def discard(self, client: Any) -> None:
        """Forget a client that the cluster no longer serves.

        It is not shut down: other threads may be inside a call with it.  The
        binding does so when the last reference goes.
        """
        with self._lock:
            if self._client is client:
                self._client = None
                self._ioctxs = {}

    @functools.cached_property
    def fsid(self) -> str:
        """The identity of the cluster."""
        with errors.translated(f'fsid of {self.spec}'):
            return str(self.client().get_fsid())

    def pool_name(self, pool_id: int) -> str:
        """The name of a pool, from the cluster map that the client holds.

        :raises errors.PoolNotFound: when there is no such pool
        """
        try:
            return str(self.client().pool_reverse_lookup(pool_id))
        except rados.ObjectNotFound as error:
            raise errors.PoolNotFound(f'pool with id {pool_id}') from error

    def option(self, name: str) -> str | None:
        """The value of a Ceph option as this client sees it."""
        value = self.client().conf_get(name)
        return None if value is None else str(value)

    def _connect(self) -> Any:
        spec = self.spec
        try:
            client = rados.Rados(rados_id=spec.user, clustername=spec.name,
                                 conffile=spec.conf)
        except (rados.Error, TypeError) as error:
            raise errors.Unreachable(f'{spec}: {error}') from error
        try:
            if spec.timeout >= 0:
                for option in _TIMEOUT_OPTIONS:
                    client.conf_set(option, str(spec.timeout))
            client.connect()
        except rados.Error as error:
            client.shutdown()
            raise errors.Unreachable(f'{spec}: {error}') from error
        return client

    def _open(self, client: Any, pool: str) -> Any:
        try:
            return client.open_ioctx(pool)
        except rados.ObjectNotFound as error:
            raise errors.PoolNotFound(f'pool {pool}: {error}') from error
        except rados.Error as error:
            raise errors.CephError(f'pool {pool}: {error}') from error

    @staticmethod
    def _probe(ioctx: Any) -> None:
        try:
            with errors.translated('probe of the connection'):
                ioctx.stat('rbd_directory')
        except errors.ImageNotFound:
            pass  # an answer, which is all that was asked for
        except errors.PermissionDenied:
            pass


_clusters: dict[ClusterSpec, Cluster] = {}
_clusters_lock = blocking.native_threading.Lock()


def cluster(spec: ClusterSpec) -> Cluster:
    """The process's one :class:`Cluster` for ``spec``."""
    with _clusters_lock:
        if spec not in _clusters:
            _clusters[spec] = Cluster(spec)
        return _clusters[spec]
