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
"""A pool in which strategies can try what they would do, and nothing is done.

What a strategy asks is answered by the real pool.  What it would change is
checked as far as reading can tell: a clone needs its parent's snapshot, and
that has to fit.  Whether the user may clone it only a real clone shows.

It offers only the methods below: whatever else a strategy might call fails
instead of being carried out.
"""

from collections.abc import Iterable
from collections.abc import Mapping

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph import pool as ceph_pool


class Rehearsal:
    """Stands in for a :class:`rbd_imgdriver.ceph.pool.Pool`.

    :param pool: the real one
    :param made: snapshots that were made, only for show
    """

    def __init__(self, pool: ceph_pool.Pool,
                 made: set[clones.SnapshotSpec] | None = None) -> None:
        self._pool = pool
        self._made = set() if made is None else made
        self.name = pool.name
        self.fsid = pool.fsid
        self.id = pool.id
        self.exists = pool.exists
        self.metadata = pool.metadata

    def holding(self, image: str) -> 'Rehearsal | None':
        """The pool of the cluster that holds an image of that name."""
        found = self._pool.holding(image)
        return None if found is None else Rehearsal(found, self._made)

    def clone(self, spec: clones.CloneSpec) -> None:
        """Raise what a clone would, as far as reading can tell.

        :raises errors.CephError: when it could not be made
        """
        parent = spec.parent
        size = self._size(parent)
        if spec.size is not None and size > spec.size:
            raise clones.SourceTooLarge(parent, size, spec.size)

    copy = clone

    def snapshot(self, image: str, snapshot: str) -> None:
        """Make a snapshot, only for show.

        :raises errors.ImageNotFound: when there is no such image
        """
        self._pool.id(image)
        self._made.add(clones.SnapshotSpec(self.name, image, snapshot))

    def remove_snapshot(self, image: str, snapshot: str) -> None:
        """Nothing was made that would have to go."""

    def update_metadata(self, image: str, values: Mapping[str, str],
                        remove: Iterable[str] = ()) -> None:
        """Nothing is written."""

    def _size(self, parent: clones.SnapshotSpec) -> int:
        pool = self._pool.sibling(parent.pool)
        if parent in self._made:
            return pool.size(parent.image)
        for one in pool.snapshot_list(pool.id(parent.image)):
            if one.name == parent.snapshot and not one.trashed:
                return one.size
        raise errors.SnapshotNotFound(f'{parent} does not exist')
