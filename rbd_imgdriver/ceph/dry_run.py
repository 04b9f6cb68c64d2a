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
"""A pool in which a strategy can try what it would do, and nothing is done.

What a strategy asks is answered by the real pool.  What it would change is
checked as far as reading shows: a clone needs its parent's snapshot, and
that has to fit.  Whether the user may clone it only a real clone shows.

What no strategy does before its volume is made raises :class:`.NotInDryRun`.
"""

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping

from rbd_imgdriver.ceph import capacity
from rbd_imgdriver.ceph import credentials
from rbd_imgdriver.ceph import dry_clones
from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.ceph.wire import leases


class DryRun:
    """Stands in for a :class:`rbd_imgdriver.ceph.pool.Pool`.

    :param pool: the real one
    :param made: snapshots that were made, only for show
    """

    def __init__(self, pool: parts.Pool,
                 made: set[clones.SnapshotSpec] | None = None) -> None:
        self._pool = pool
        self._made = set() if made is None else made
        self.name = pool.name
        self.leases: parts.Leases = _Leases(pool)
        self.unfinished: parts.Unfinished = _Unfinished(pool)
        self.directory: parts.Directory = pool.directory  # it only reads
        self.headers: parts.Headers = _Headers(pool)
        self.images: parts.Images = _Images(pool)
        self.data: parts.Data = _Data(pool)
        self.snapshots: parts.Snapshots = dry_clones.Snapshots(
            pool, self._made)
        self.clones: parts.Clones = dry_clones.Clones(pool, self._made)
        self.copies: parts.Copies = dry_clones.Copies()
        self.ancestry: parts.Ancestry = pool.ancestry  # it only reads
        self.usage: parts.Usage = pool.usage  # it only reads
        self.trash: parts.Trash = _Trash(pool)

    def fsid(self) -> str:
        """The identity of the cluster."""
        return self._pool.fsid()

    def sibling(self, name: str) -> 'DryRun':
        """Another pool of the same cluster."""
        return DryRun(self._pool.sibling(name), self._made)

    def holding(self, image: str) -> 'DryRun | None':
        """The pool of the cluster that holds an image of that name."""
        found = self._pool.holding(image)
        return None if found is None else DryRun(found, self._made)

    def mon_command(self, prefix: str, /, **arguments: str) -> str:
        """The monitors' answer to a command."""
        return self._pool.mon_command(prefix, **arguments)

    def mgr_command(self, prefix: str, /, **arguments: str) -> str:
        """The manager's answer to a command."""
        return self._pool.mgr_command(prefix, **arguments)

    def option(self, name: str) -> str | None:
        """The value of an option of Ceph."""
        return self._pool.option(name)

    def capacity(self) -> capacity.Capacity | None:
        """The room for new images' data."""
        return self._pool.capacity()

    def credentials(self) -> credentials.Credentials:
        """What another program needs, which would not run dry."""
        dry_clones.refuse('another program')


class _Leases:
    """Leases that are free can be had, and nobody gets them."""

    def __init__(self, pool: parts.Pool) -> None:
        self.holder = pool.leases.holder

    def acquire(self, lease: leases.Lease, holder: dict[str, str]) -> bool:
        return self.holder(lease.name) is None

    def renew(self, lease: leases.Lease) -> None:
        """It was not taken."""

    def release(self, lease: leases.Lease) -> None:
        """It was not taken."""

    def drop(self, name: str) -> None:
        """Whoever has it keeps it."""

    def tidy(self) -> None:
        """They stay."""


class _Unfinished:
    """What is unfinished; nothing becomes so."""

    def __init__(self, pool: parts.Pool) -> None:
        self.ids = pool.unfinished.ids

    def add(self, ids: Collection[str]) -> None:
        """Nothing has begun."""

    def remove(self, ids: Collection[str]) -> None:
        dry_clones.refuse('the end of some work')


class _Headers:
    """Headers as they are; nothing is written."""

    def __init__(self, pool: parts.Pool) -> None:
        self.size = pool.headers.size
        self.metadata = pool.headers.metadata
        self.summary = pool.headers.summary
        self.metadata_id = pool.headers.metadata_id
        self.value = pool.headers.value

    def update(self, image: str, values: Mapping[str, str],
               remove: Iterable[str] = ()) -> None:
        """Nothing is written."""

    def update_id(self, id_: str, values: Mapping[str, str],
                  remove: Iterable[str] = (),
                  only_if: Mapping[str, str] | None = None) -> None:
        """Nothing is written."""


class _Images:
    """Images that are neither made nor changed."""

    def __init__(self, pool: parts.Pool) -> None:
        self._exists = pool.directory.exists

    def create(self, image: str, size: int, order: int,
               metadata: Mapping[str, str] | None = None,
               id_key: str | None = None) -> str:
        self._check_free(image)
        return dry_clones.NO_ID

    def resize(self, image: str, size: int) -> None:
        """It keeps its size."""

    def rename(self, image: str, new_name: str) -> None:
        self._check_free(new_name)

    def finish_rename(self, image: str, new_name: str, id_: str) -> bool:
        dry_clones.refuse('a rename that was cut short')

    def hold(self, image: str) -> parts.Hold:
        dry_clones.refuse(f'keeping {image} open')

    def drop_name(self, image: str, id_: str) -> None:
        """It stays."""

    def remove(self, image: str, id_: str | None = None) -> None:
        """It stays."""

    def _check_free(self, image: str) -> None:
        if self._exists(image):
            raise errors.ImageExists(f'image {image} exists')


class _Data:
    """Data can be read."""

    def __init__(self, pool: parts.Pool) -> None:
        self.reader = pool.data.reader
        self.digest = pool.data.digest
        self.pool = pool.data.pool

    def writer(self, image: str) -> parts.Writer:
        dry_clones.refuse(f'writing to {image}')

    def check_layout(self, image: str, size: int, order: int) -> None:
        """It was not made."""


class _Trash:
    """The trash as it is."""

    def __init__(self, pool: parts.Pool) -> None:
        self.entries = pool.trash.entries
        self.purge_intervals = pool.trash.purge_intervals

    def move(self, image: str, delay: int = 0) -> None:
        """It stays where it is."""

    def finish_move(self, id_: str) -> None:
        """It stays half where it is."""

    def free(self, id_: str, snapshot: str) -> bool:
        dry_clones.refuse(f'freeing image id {id_}')

    def remove(self, id_: str) -> bool:
        dry_clones.refuse(f'removing image id {id_}')

