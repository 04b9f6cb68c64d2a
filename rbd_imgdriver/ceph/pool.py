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
"""A pool of RBD images: every operation that the driver does on Ceph.

The rest of the package sees Ceph through :class:`Pool` only.  Its methods
may be called from anywhere: each goes to a native thread as a whole, one
hand-over for all the librbd calls it makes, and raises the errors of
:mod:`rbd_imgdriver.ceph.errors`.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
import json
from typing import Any

import rbd

from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import capacity
from rbd_imgdriver.ceph import chain_calls
from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import attempts
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph.images import digests
from rbd_imgdriver.ceph.images import ids
from rbd_imgdriver.ceph.images import layouts
from rbd_imgdriver.ceph.images import locks
from rbd_imgdriver.ceph.images import snapshots
from rbd_imgdriver.ceph.images import trash
from rbd_imgdriver.ceph.images import usage as usages
from rbd_imgdriver.ceph import import_calls
from rbd_imgdriver.ceph import native
from rbd_imgdriver.ceph import probe
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver.ceph.wire import leases
from rbd_imgdriver import undo

_blocking = native.in_native_thread


def lend(cluster: connection.Cluster, pool: str) -> tuple[Any, Any]:
    """The shared client and an I/O context for Cinder's inherited code.

    :returns: (``rados.Rados``, ``rados.Ioctx``), for :func:`give_back`
    """
    return blocking.run(cluster.lend, pool)


def give_back(ioctx: Any) -> None:
    """Close an I/O context that was lent."""
    blocking.run(connection.give_back, ioctx)


class Pool(chain_calls.ChainCalls, import_calls.ImportCalls):
    """One RBD pool of one cluster.

    :param cluster: the connection
    :param name: the pool's name
    """

    def sibling(self, name: str) -> 'Pool':
        """Another pool of the same cluster."""
        return self if name == self.name else Pool(self.cluster, name)

    @_blocking
    def fsid(self) -> str:
        """The identity of the cluster."""
        return self.cluster.fsid

    @_blocking
    def mon_command(self, prefix: str) -> str:
        """The monitors' answer to a command, as JSON text."""
        command = json.dumps({'prefix': prefix, 'format': 'json'})
        with errors.translated(f'monitor command {prefix}'):
            code, answer, status = self.cluster.client().mon_command(
                command, b'')
        if code:
            raise errors.CephError(f'monitor command {prefix}: {status}')
        return str(answer.decode())

    @_blocking
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

    @_blocking
    def exists(self, image: str) -> bool:
        """Whether there is an image of that name (trash not included)."""
        try:
            header.image_id(self._ioctx, image)
        except errors.ImageNotFound:
            return False
        return True

    @_blocking
    def id(self, image: str) -> str:
        """Ceph's internal id of an image."""
        return header.image_id(self._ioctx, image)

    @_blocking
    def size(self, image: str) -> int:
        """The size of an image's head in bytes."""
        ioctx = self._ioctx
        return header.size(ioctx, header.image_id(ioctx, image))[0]

    @_blocking
    def names(self) -> list[str]:
        """The names of all images of the pool; for rare, long work only."""
        with errors.translated(f'list of pool {self.name}'):
            return sorted(rbd.RBD().list(self._ioctx))

    @_blocking
    def listed(self, prefix: str) -> list[directory.Listed]:
        """The images whose names begin with ``prefix``, with their headers.

        The cost is that of the images found, not of the pool.
        """
        return directory.listed(self._ioctx, prefix)

    @_blocking
    def metadata(self, image: str) -> dict[str, str]:
        """The metadata of an image."""
        ioctx = self._ioctx
        return header.metadata(ioctx, header.image_id(ioctx, image))

    @_blocking
    def update_metadata(self, image: str, values: Mapping[str, str],
                        remove: Iterable[str] = ()) -> None:
        """Set and remove metadata of an image in one atomic write."""
        ioctx = self._ioctx
        header.update_metadata(ioctx, header.image_id(ioctx, image), values,
                               remove)

    def create(self, image: str, size: int, order: int,
               metadata: Mapping[str, str] | None = None,
               id_key: str | None = None) -> str:
        """Make an empty image.

        :param size: in bytes
        :param order: log2 of the object size in bytes
        :param metadata: image metadata to set on it
        :param id_key: a key of more metadata, whose value is the image's id
        :returns: the id of the image
        :raises errors.ImageExists: when the name is taken
        """
        return self._create(image, size, order, metadata or {}, id_key,
                            attempts.Attempt())

    @_blocking
    def _create(self, image: str, size: int, order: int,
                metadata: Mapping[str, str], id_key: str | None,
                attempt: attempts.Attempt) -> str:
        ioctx = self._ioctx

        def make() -> None:
            with errors.translated(f'creation of {self.name}/{image}'):
                rbd.RBD().create(ioctx, image, size, order, old_format=False,
                                 features=self._features())

        attempt.claim(ioctx, image, lambda id_: True)
        ids.with_free_id(make)
        id_ = attempt.image_id = header.image_id(ioctx, image)
        with undo.on_error(f'image {image}',
                           lambda: attempts.remove(ioctx, image, id_)):
            header.update_metadata(ioctx, id_, {
                **metadata, **({id_key: id_} if id_key else {})})
        return id_

    def clone(self, spec: clones.CloneSpec) -> str:
        """Clone a snapshot of any pool of the cluster into this pool.

        See :func:`rbd_imgdriver.ceph.images.clones.clone` for the errors.

        :returns: the id of the new image
        """
        return self._clone(spec, attempts.Attempt())

    @_blocking
    def _clone(self, spec: clones.CloneSpec,
               attempt: attempts.Attempt) -> str:
        return clones.clone(self.cluster.ioctx(spec.parent.pool),
                            self._ioctx, spec, self._features(), attempt)

    def copy(self, spec: clones.CloneSpec) -> str:
        """Make a full, independent copy of a snapshot in this pool.

        A clone that is flattened at once: librbd's fastest way, and it reads
        only what the source holds.  Errors as of :meth:`clone`.

        :returns: the id of the new image
        """
        return self._copy(spec, attempts.Attempt())

    @_blocking
    def _copy(self, spec: clones.CloneSpec, attempt: attempts.Attempt) -> str:
        ioctx = self._ioctx
        id_ = clones.clone(self.cluster.ioctx(spec.parent.pool), ioctx, spec,
                           self._features(), attempt)
        with undo.on_error(f'image {spec.name}', lambda: attempts.remove(
                ioctx, spec.name, id_)), \
                errors.translated(f'flatten of {self.name}/{spec.name}'), \
                rbd.Image(ioctx, image_id=id_) as opened:
            opened.flatten()
        return id_

    @_blocking
    def resize(self, image: str, size: int) -> None:
        """Set the size of an image in bytes."""
        with errors.translated(f'resize of {self.name}/{image}'), \
                rbd.Image(self._ioctx, image) as opened:
            opened.resize(size)

    @_blocking
    def rename(self, image: str, new_name: str) -> None:
        """Rename an image; a name that is taken is refused by Ceph.

        :raises errors.ImageExists: when ``new_name`` is taken
        """
        with errors.translated(f'rename of {self.name}/{image}'):
            rbd.RBD().rename(self._ioctx, image, new_name)

    @_blocking
    def finish_rename(self, image: str, new_name: str) -> bool:
        """Finish a rename whose client died half-way.

        :returns: whether both names were of one image
        """
        ioctx = self._ioctx
        try:
            id_ = header.image_id(ioctx, image)
            if header.image_id(ioctx, new_name) != id_:
                return False
        except errors.ImageNotFound:
            return False
        directory.finish_rename(ioctx, image, new_name, id_)
        return True

    @_blocking
    def remove(self, image: str, id_: str | None = None) -> None:
        """Remove an image; absent is as good as removed.

        :param id_: its id, when only this very image is to be removed:
            another one of that name is left alone
        :raises errors.ImageHasSnapshots: when it has snapshots
        :raises errors.ImageBusy: when a client has it open
        """
        if id_ is not None and directory.id_of(self._ioctx, image) != id_:
            return
        with errors.translated(f'removal of {self.name}/{image}'):
            try:
                self._remove(image)
            except rbd.ImageNotFound:
                return

    def _remove(self, image: str) -> None:
        try:
            rbd.RBD().remove(self._ioctx, image)
        except rbd.ImageBusy:
            client = self.cluster.client().get_instance_id()
            if not locks.drop_own(self._ioctx, image, client):
                raise
            rbd.RBD().remove(self._ioctx, image)

    @_blocking
    def trash_move(self, image: str, delay: int = 0) -> None:
        """Move an image to the trash; see :func:`trash.move`."""
        trash.move(self._ioctx, image, delay)

    @_blocking
    def trashed(self) -> list[trash.Trashed]:
        """What is in the trash of the pool."""
        return trash.entries(self._ioctx)

    @_blocking
    def trash_purge_intervals(self) -> list[str]:
        """See :func:`trash.purge_intervals`."""
        return trash.purge_intervals(self._ioctx)

    @_blocking
    def trash_free(self, id_: str) -> bool:
        """Remove an image from the trash if nothing needs it any more.

        :returns: whether it is gone
        """
        return trash.free(self._ioctx, id_)

    @_blocking
    def snapshot(self, image: str, snapshot: str) -> None:
        """Make a snapshot that can be cloned; one that exists will do."""
        try:
            snapshots.create_protected(self._ioctx, image, snapshot,
                                       attempts.Attempt())
        except errors.ImageExists:
            return

    @_blocking
    def remove_snapshot(self, image: str, snapshot: str) -> None:
        """Remove a snapshot; see :func:`snapshots.remove`."""
        snapshots.remove(self._ioctx, image, snapshot)

    @_blocking
    def has_snapshots(self, image: str) -> bool:
        """Whether an image has snapshots, those in the trash included."""
        with errors.translated(f'snapshots of {self.name}/{image}'), \
                rbd.Image(self._ioctx, image, read_only=True) as opened:
            return any(True for _ in opened.list_snaps())

    @_blocking
    def probe_clones(self, name: str) -> int:
        """Make, clone and remove an image; see :func:`probe.clones`."""
        return probe.clones(self._ioctx, name, self._features())

    @_blocking
    def snapshot_counts(self) -> dict[str, int]:
        """How many snapshots each image has; 0.4 ms for each image."""
        ioctx = self._ioctx
        return {name: len(header.snapshot_ids(ioctx, id_))
                for name, id_ in directory.names(ioctx, '').items()}

    @_blocking
    def data_pool(self) -> str:
        """The pool of new images' data, or '' for this one."""
        return layouts.wanted(self.cluster, self._ioctx, 0, 0).data_pool

    @_blocking
    def capacity(self) -> capacity.Capacity | None:
        """The room for new images' data; None when monitors refuse to say.

        Their data may go to another pool than this one.
        """
        return capacity.read(self.cluster.client(),
                             self.data_pool() or self.name)

    @_blocking
    def usage(self, image: str) -> usages.Usage:
        """What an image takes up, and who depends on it."""
        return usages.usage(self._ioctx, name=image)

    @_blocking
    def trashed_usage(self, id_: str) -> usages.Usage:
        """The same of an image in the trash."""
        return usages.usage(self._ioctx, id_=id_)

    @_blocking
    def digest(self, image: str, snapshot: str, algorithm: str, length: int,
               advance: Callable[[int], None]) -> str:
        """The digest of a snapshot's beginning; see :mod:`digests`."""
        return digests.digest(self._ioctx, image, snapshot, algorithm,
                              length, advance)

    @_blocking
    def acquire_lease(self, lease: leases.Lease,
                      holder: dict[str, str]) -> bool:
        """Take a lease if nobody has it; see :mod:`leases`."""
        return leases.acquire(self._ioctx, lease, holder)

    @_blocking
    def renew_lease(self, lease: leases.Lease) -> None:
        """Keep a lease for another period.

        :raises leases.LeaseLost: when it had expired
        """
        leases.renew(self._ioctx, lease)

    @_blocking
    def release_lease(self, lease: leases.Lease) -> None:
        """Give a lease back."""
        leases.release(self._ioctx, lease)

    @_blocking
    def lease_holder(self, name: str) -> dict[str, str] | None:
        """What the holder of a lease said of itself; None when free."""
        return leases.holder(self._ioctx, name)

    def _features(self) -> int:
        return layouts.features(self.cluster)
