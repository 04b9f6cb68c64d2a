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
"""Snapshots, clones and copies of a dry run; see :mod:`.dry_run`."""

from collections.abc import Callable
from typing import NoReturn

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph.images import flatten
from rbd_imgdriver.ceph.images import snapshots
from rbd_imgdriver.ceph import parts

NO_ID = 'none'  # of what was made only for show


class NotInDryRun(errors.CephError):
    """What was asked for can only be done, not tried."""

    code = 'not-in-dry-run'


def refuse(what: str) -> NoReturn:
    """Say that something cannot be tried.

    :raises NotInDryRun: always
    """
    raise NotInDryRun(f'{what} cannot be tried without doing it')


class Snapshots:
    """Snapshots that are made only for show."""

    def __init__(self, pool: parts.Pool,
                 made: set[clones.SnapshotSpec]) -> None:
        self._pool = pool
        self._made = made
        self.entries = pool.snapshots.entries
        self.counts = pool.snapshots.counts
        self.sealed = pool.snapshots.sealed

    def create(self, image: str, snapshot: str,
               seal: bool = False) -> None:
        id_ = self._pool.directory.id(image)
        if any(one.name == snapshot for one in self.entries(id_)):
            raise errors.SnapshotExists(f'{image}@{snapshot} exists')
        self.ensure(image, snapshot)

    def ensure(self, image: str, snapshot: str) -> None:
        self._pool.directory.id(image)
        self._made.add(clones.SnapshotSpec(self._pool.name, image, snapshot))

    def remove(self, image: str, snapshot: str) -> None:
        """What was made for show need not be removed."""

    def drop(self, id_: str, name: str, hidden_name: str) -> None:
        """It stays."""

    def drop_where(self, id_: str, droppable: Callable[[str], bool],
                   ) -> snapshots.Remaining:
        refuse(f'removing the snapshots of image id {id_}')

    def rename(self, id_: str, name: str, new_name: str) -> None:
        """It keeps its name."""


class Clones:
    """Clones whose parents are looked at."""

    def __init__(self, pool: parts.Pool,
                 made: set[clones.SnapshotSpec]) -> None:
        self._pool = pool
        self._made = made

    def clone(self, spec: clones.CloneSpec) -> str:
        """Raise what a clone would, as far as reading shows."""
        parent = spec.parent
        size = self._size(parent)
        key = spec.parent_id_key
        if key is not None:
            named = self._pool.sibling(parent.pool).directory.named(
                parent.image)
            if (named is None or named.metadata is None
                    or named.metadata.get(key) != named.id):
                raise errors.ImageNotFound(f'{parent} is another image')
        if spec.size is not None and size > spec.size:
            raise clones.SourceTooLarge(parent, size, spec.size)
        return NO_ID

    def copy(self, spec: clones.CloneSpec) -> str:
        return self.clone(spec)

    def restore_object_maps(self, id_: str,
                            progress: flatten.Progress) -> None:
        """They stay as they are."""

    def flatten(self, id_: str, progress: flatten.Progress,
                is_new: bool = False) -> None:
        """It keeps its parent."""

    def probe(self, name: str, snapshot: str) -> int:
        refuse('whether clones can be made')

    def _size(self, parent: clones.SnapshotSpec) -> int:
        pool = self._pool.sibling(parent.pool)
        if parent in self._made:
            return pool.headers.size(parent.image)
        for one in pool.snapshots.entries(pool.directory.id(parent.image)):
            if one.name == parent.snapshot and not one.trashed:
                return one.size
        raise errors.SnapshotNotFound(f'{parent} does not exist')


class Copies:
    """Copies are not tried."""

    def head(self, image: str, target: str, name: str) -> str:
        refuse(f'copying {image}')

    def unused_head(self, image: str, name: str,
                    most: int | None = None) -> str | None:
        refuse(f'copying {image}')

    def drop_inherited(self, image: str) -> None:
        """Nothing is written."""
