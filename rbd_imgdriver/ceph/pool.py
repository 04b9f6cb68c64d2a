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
"""A pool of RBD images: a handle with parts.

The rest of the package sees Ceph through a pool only.  The methods of a pool
and of its parts may be called from anywhere: each goes to a native thread as
a whole, one hand-over for all the librbd calls it makes, and raises the
errors of :mod:`rbd_imgdriver.ceph.errors`.
"""

import json
from typing import Any

from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import capacity
from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import credentials
from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import ancestry
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph.images import copies
from rbd_imgdriver.ceph.images import data
from rbd_imgdriver.ceph.images import lifecycle
from rbd_imgdriver.ceph.images import snapshots
from rbd_imgdriver.ceph.images import trash
from rbd_imgdriver.ceph.images import usage
from rbd_imgdriver.ceph import native
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver.ceph.wire import headers
from rbd_imgdriver.ceph.wire import leases
from rbd_imgdriver.ceph.wire import unfinished


def lend(cluster: connection.Cluster, pool: str) -> tuple[Any, Any]:
    """The shared client and an I/O context for Cinder's inherited code.

    :returns: (``rados.Rados``, ``rados.Ioctx``), for :func:`give_back`
    """
    return blocking.run(cluster.lend, pool)


def give_back(ioctx: Any) -> None:
    """Close an I/O context that was lent."""
    blocking.run(connection.give_back, ioctx)


class Pool(native.Part):
    """One RBD pool of one cluster.

    :param cluster: the connection
    :param name: the pool's name
    """

    def __init__(self, cluster: connection.Cluster, name: str) -> None:
        super().__init__(cluster, name)
        self.leases: parts.Leases = leases.Leases(cluster, name)
        self.unfinished: parts.Unfinished = unfinished.Unfinished(cluster,
                                                                  name)
        self.directory: parts.Directory = directory.Directory(cluster, name)
        self.headers: parts.Headers = headers.Headers(cluster, name)
        self.images: parts.Images = lifecycle.Images(cluster, name)
        self.data: parts.Data = data.Data(cluster, name)
        self.snapshots: parts.Snapshots = snapshots.Snapshots(cluster, name)
        self.clones: parts.Clones = clones.Clones(cluster, name)
        self.copies: parts.Copies = copies.Copies(cluster, name)
        self.ancestry: parts.Ancestry = ancestry.Ancestry(cluster, name)
        self.usage: parts.Usage = usage.Usages(cluster, name)
        self.trash: parts.Trash = trash.Trash(cluster, name)

    def sibling(self, name: str) -> 'Pool':
        """Another pool of the same cluster."""
        return self if name == self.name else Pool(self.cluster, name)

    @native.in_native_thread
    def fsid(self) -> str:
        """The identity of the cluster."""
        return self.cluster.fsid

    @native.in_native_thread
    def mon_command(self, prefix: str, /, **arguments: str) -> str:
        """The monitors' answer to a command, as JSON text.

        :raises errors.PermissionDenied: when the user may not ask
        """
        return self._command('monitor', self.cluster.client().mon_command,
                             {'prefix': prefix, **arguments})

    @native.in_native_thread
    def mgr_command(self, prefix: str, /, **arguments: str) -> str:
        """The manager's answer to a command, as JSON text.

        Without an active manager librados waits for one.

        :raises errors.PermissionDenied: when the user may not ask
        """
        return self._command('manager', self.cluster.client().mgr_command,
                             {'prefix': prefix, **arguments})

    @native.in_native_thread
    def option(self, name: str) -> str | None:
        """The value of an option of Ceph, as our client sees it."""
        return self.cluster.option(name)

    @native.in_native_thread
    def holding(self, image: str) -> 'Pool | None':
        """The pool of this cluster that holds an image of that name.

        This pool is asked first; pools that the user may not read are
        passed over.  One small read for each pool, from the list of pools
        that the client holds anyway.
        """
        others = self.cluster.client().list_pools()
        for name in dict.fromkeys([self.name, *others]):
            try:
                header.image_id(self.cluster.ioctx(name), image)
            except (errors.ImageNotFound, errors.PermissionDenied):
                continue
            return self.sibling(name)
        return None

    @native.in_native_thread
    def capacity(self) -> capacity.Capacity | None:
        """The room for new images' data; None when monitors refuse to say.

        Their data may go to another pool than this one.
        """
        return capacity.read(self.cluster.client(),
                             self.data.pool() or self.name)

    @staticmethod
    def _command(whom: str, ask: Any, command: dict[str, str]) -> str:
        subject = f'{whom} command {command["prefix"]}'
        with errors.translated(subject):
            code, answer, status = ask(
                json.dumps({'format': 'json', **command}), b'')
        if code:
            kind = errors.kind_of(code, errors.ObjectNotFound)
            raise kind(f'{subject}: {status}')
        return str(answer.decode())

    @native.in_native_thread
    def credentials(self) -> credentials.Credentials:
        """What another program needs to reach the cluster as our user.

        :raises errors.PermissionDenied: when the key cannot be found
        """
        return credentials.read(self.cluster)
