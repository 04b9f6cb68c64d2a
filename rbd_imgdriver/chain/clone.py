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
"""Volumes from volumes and from snapshots.

A clone is made of a snapshot of its source, ``<new volume>.clone_snap`` as
Cinder's driver calls it.  Making one takes a round trip to the monitors, up
to a second; so a source that is proven not to have changed since its last one
(:mod:`rbd_imgdriver.ceph.images.unchanged`) is cloned from that again.
"""

from collections.abc import Iterator
import contextlib
import dataclasses

from oslo_log import log as logging

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph.images import flatten
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.chain import flattener as chain_flattener
from rbd_imgdriver.chain import names
from rbd_imgdriver.chain import plan
from rbd_imgdriver.chain import snapshots
from rbd_imgdriver import undo

LOG = logging.getLogger(__name__)

# Bytes of a source that are copied inside a create: a second's work.
_QUICK = 256 * 2**20

_ATTEMPTS = 4  # to clone a snapshot before somebody else frees it


@dataclasses.dataclass(frozen=True)
class Wanted:
    """The clone that is wanted.

    :param name: of the new image
    :param size: in bytes; None: as large as the source
    :param growth: bytes to add to the size of the source
    :param temporary: whether it is soon removed again, so that its depth
        does not matter
    """

    name: str
    size: int | None = None
    growth: int = 0
    temporary: bool = False


class Cloner:
    """Clones within one pool under ``rbd_max_clone_depth``.

    :param limit: the most ancestors an image may have; 0: none, copy
    """

    def __init__(self, pool: parts.Pool, limit: int,
                 flattener: chain_flattener.Flattener) -> None:
        self._pool = pool
        self._limit = limit
        self._flattener = flattener

    def clone_volume(self, source: str, in_use: bool, wanted: Wanted) -> None:
        """Make a volume with the contents of another.

        :param source: name of the image to clone
        :param in_use: whether it is attached: then it may be written to at
            any time, and its contents are those of this moment
        :raises errors.CephError: nothing of the new image is left then
        """
        depth = self._pool.ancestry.depth(source)
        deep = depth >= self._limit
        # Asked only where it matters to the plan.
        lone = deep and not in_use and self._pool.ancestry.is_lone(
            self._pool.directory.id(source))
        decision = plan.plan(depth, self._limit, lone)
        LOG.debug('Volume %(name)s from %(source)s: %(plan)s',
                  {'name': wanted.name, 'source': source,
                   'plan': decision.value})
        if decision is plan.Plan.FULL_COPY:
            self._copy(source, in_use, lone, wanted)
            return
        if (decision is plan.Plan.SIBLING_THEN_FLATTEN_SOURCE
                and self._copy_head(source, wanted, _QUICK) is not None):
            if not wanted.temporary:
                with _only_logged(source):
                    self._flattener.request(self._pool, source)
            return
        self._clone(source, in_use, wanted, flat=False)
        # The clone is one deeper than its source, which nothing makes deeper.
        if deep and not wanted.temporary:
            self.limit_depth(wanted.name)

    def snapshot(self, pool: parts.Pool, image: str,
                 snapshot: str) -> None:
        """Make a snapshot to clone, in any pool; see ``snapshots.create``."""
        snapshots.create(pool, image, snapshot, self._flattener)

    def from_snapshot(self, source: str, snapshot: str, wanted: Wanted,
                      flatten: bool) -> None:
        """Make a volume from a snapshot.

        :param flatten: whether it is to depend on the snapshot for no longer
            than it must (``rbd_flatten_volume_from_snapshot``)
        :raises errors.CephError: nothing of the new image is left then
        """
        id_ = self._pool.clones.clone(self._spec(source, snapshot, wanted))
        if wanted.growth > 0:
            self._grow(wanted, id_)
        if flatten and not wanted.temporary:
            with _only_logged(wanted.name):
                self._flattener.request(self._pool, wanted.name)
        elif not wanted.temporary:
            self.limit_depth(wanted.name)

    def _clone(self, source: str, in_use: bool, wanted: Wanted,
               flat: bool) -> None:
        known = None if in_use else self._pool.snapshots.sealed(source)
        if known is not None and names.is_clone_snapshot(known):
            try:
                self._make(self._spec(source, known, wanted), flat)
                return
            except errors.SnapshotNotFound:
                LOG.debug('%s was removed with its last clone', known)
        self._clone_now(source, wanted, flat)

    def _clone_now(self, source: str, wanted: Wanted, flat: bool) -> None:
        """Clone what the source holds at this moment."""
        for _ in range(_ATTEMPTS - 1):
            try:
                self._clone_once(source, wanted, flat)
                return
            except errors.SnapshotNotFound:
                # Another host has found it, made a clone of it and deleted
                # or flattened that: so it was unused, and was freed.
                LOG.debug('The snapshot for %s was freed meanwhile',
                          wanted.name)
        self._clone_once(source, wanted, flat)

    def _clone_once(self, source: str, wanted: Wanted, flat: bool) -> None:
        snapshot = names.clone_snapshot(wanted.name)
        self._snapshot(source, snapshot)
        with undo.on_error(
                f'snapshot {source}@{snapshot}',
                lambda: self._pool.snapshots.remove(source, snapshot)):
            self._make(self._spec(source, snapshot, wanted), flat)
        if flat:
            self._pool.snapshots.remove(source, snapshot)

    def _snapshot(self, source: str, snapshot: str) -> None:
        try:
            snapshots.create(self._pool, source, snapshot, self._flattener)
        except errors.SnapshotExists:
            # An earlier attempt at this very volume left it; what it holds
            # is not what the source holds now.
            self._pool.snapshots.remove(source, snapshot)
            snapshots.create(self._pool, source, snapshot, self._flattener)

    def _make(self, spec: clones.CloneSpec, flat: bool) -> None:
        if flat:
            self._pool.clones.copy(spec)
        else:
            self._pool.clones.clone(spec)

    def _copy(self, source: str, in_use: bool, lone: bool,
              wanted: Wanted) -> None:
        """A full copy, by the fastest means that is consistent."""
        id_ = self._copy_head(source, wanted, None) if lone else None
        if id_ is None:
            self._clone(source, in_use, wanted, flat=True)
            return
        with self._removed_on_error(wanted.name, id_):
            self._pool.clones.flatten(id_, flatten.Progress(), is_new=True)

    def _copy_head(self, source: str, wanted: Wanted,
                   most: int | None) -> str | None:
        """Copy a source that nobody writes to, as a child of its parent.

        That needs no snapshot, which would cost round trips to the monitors.

        :param most: bytes to copy at most; None for any number
        :returns: the id of the copy, or None when there is none
        """
        id_ = self._pool.copies.unused_head(source, wanted.name, most)
        if id_ is None:
            return None
        with self._removed_on_error(wanted.name, id_):
            self._pool.copies.drop_inherited(wanted.name)
            if wanted.size is not None:
                # Whoever resized the source behind Cinder's back keeps the
                # data: never cut a copy off.
                size = self._pool.headers.size(wanted.name)
                if size > wanted.size:
                    raise clones.SourceTooLarge(
                        f'{self._pool.name}/{source}', size, wanted.size)
                self._pool.images.resize(wanted.name, wanted.size)
        return id_

    def _grow(self, wanted: Wanted, id_: str) -> None:
        with self._removed_on_error(wanted.name, id_):
            size = self._pool.headers.size(wanted.name)
            self._pool.images.resize(wanted.name, size + wanted.growth)

    def limit_depth(self, image: str) -> None:
        """Flatten a new volume that is deeper than allowed.

        In the background, unless its source already was: chains must not
        grow faster than they are cut.
        """
        with _only_logged(image):
            excess = self._pool.ancestry.depth(image) - max(self._limit, 0)
            if excess <= 0:
                return
            self._flattener.request(self._pool, image)
            if excess > 1:
                self._flattener.settle(self._pool, image, float('inf'))

    def _spec(self, source: str, snapshot: str,
              wanted: Wanted) -> clones.CloneSpec:
        return clones.CloneSpec(
            parent=clones.SnapshotSpec(self._pool.name, source, snapshot),
            name=wanted.name, size=wanted.size)

    def _removed_on_error(
            self, name: str,
            id_: str) -> contextlib.AbstractContextManager[None]:
        """Remove a new image that could not be finished."""
        return undo.on_error(f'image {name}',
                             lambda: self._pool.images.remove(name, id_))


@contextlib.contextmanager
def _only_logged(image: str) -> Iterator[None]:
    """The new volume is complete: its create does not fail any more."""
    try:
        yield
    except errors.CephError as error:
        LOG.warning('%(image)s stays deeper than it should: %(error)s',
                    {'image': image, 'error': error})
