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
"""The parts of a pool, as the rest of the package depends on them.

What a method does is said in the class of the same name in ``images`` or
``wire``.  The dry run and the tests' pool in memory keep to the signatures.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Protocol

from rbd_imgdriver.ceph import capacity
from rbd_imgdriver.ceph import credentials
from rbd_imgdriver.ceph.images import ancestry
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph.images import flatten
from rbd_imgdriver.ceph.images import snapshots
from rbd_imgdriver.ceph.images import usage
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver.ceph.wire import leases
from rbd_imgdriver.ceph.wire import trash


class Pool(Protocol):
    """One RBD pool of one cluster: a handle with parts."""

    name: str
    leases: 'Leases'
    unfinished: 'Unfinished'
    directory: 'Directory'
    headers: 'Headers'
    images: 'Images'
    data: 'Data'
    snapshots: 'Snapshots'
    clones: 'Clones'
    copies: 'Copies'
    ancestry: 'Ancestry'
    usage: 'Usage'
    trash: 'Trash'

    def fsid(self) -> str: ...
    def sibling(self, name: str) -> 'Pool': ...
    def holding(self, image: str) -> 'Pool | None': ...
    def mon_command(self, prefix: str, /, **arguments: str) -> str: ...
    def mgr_command(self, prefix: str, /, **arguments: str) -> str: ...
    def option(self, name: str) -> str | None: ...
    def capacity(self) -> capacity.Capacity | None: ...
    def credentials(self) -> credentials.Credentials: ...


class Leases(Protocol):
    """Locks that expire; see :mod:`rbd_imgdriver.ceph.wire.leases`."""

    def acquire(self, lease: leases.Lease,
                holder: dict[str, str]) -> bool: ...

    def renew(self, lease: leases.Lease) -> None: ...

    def release(self, lease: leases.Lease) -> None: ...

    def drop(self, name: str) -> None: ...

    def tidy(self) -> None: ...

    def holder(self, name: str) -> dict[str, str] | None: ...


class Unfinished(Protocol):
    """Where work is left; see :mod:`rbd_imgdriver.ceph.wire.unfinished`."""

    def add(self, ids: Collection[str]) -> None: ...

    def remove(self, ids: Collection[str]) -> None: ...

    def ids(self) -> frozenset[str]: ...


class Directory(Protocol):
    """Names and ids; see :mod:`rbd_imgdriver.ceph.wire.directory`."""

    def exists(self, image: str) -> bool: ...

    def id(self, image: str) -> str: ...

    def named(self, image: str) -> directory.Named | None: ...

    def ids(self) -> dict[str, str]: ...

    def listed(self, prefix: str) -> list[directory.Listed]: ...

    def sizes(self, ids: Sequence[str]) -> dict[str, int]: ...

    def snapshots(self, ids: Sequence[str],
                  ) -> dict[str, list[header.Snapshot]]: ...

    def values(self, key: str) -> dict[str, str]: ...


class Headers(Protocol):
    """Size and metadata; see :mod:`rbd_imgdriver.ceph.wire.header`."""

    def size(self, image: str) -> int: ...

    def metadata(self, image: str) -> dict[str, str]: ...

    def summary(self, image: str) -> header.Summary: ...

    def metadata_id(self, id_: str) -> dict[str, str]: ...

    def update(self, image: str, values: Mapping[str, str],
               remove: Iterable[str] = ()) -> None: ...

    def value(self, id_: str, key: str) -> str | None: ...

    def update_id(self, id_: str, values: Mapping[str, str],
                  remove: Iterable[str] = ()) -> None: ...


class Images(Protocol):
    """Whole images; see :mod:`rbd_imgdriver.ceph.images.lifecycle`."""

    def create(self, image: str, size: int, order: int,
               metadata: Mapping[str, str] | None = None,
               id_key: str | None = None) -> str: ...

    def resize(self, image: str, size: int) -> None: ...

    def rename(self, image: str, new_name: str) -> None: ...

    def finish_rename(self, image: str, new_name: str,
                      id_: str) -> bool: ...

    def hold(self, image: str) -> 'Hold': ...

    def drop_name(self, image: str, id_: str) -> None: ...

    def remove(self, image: str, id_: str | None = None) -> None: ...


class Hold(Protocol):
    """An image that is kept open; see :mod:`..images.hold`."""

    def close(self) -> None: ...


class Data(Protocol):
    """What images hold; see :mod:`rbd_imgdriver.ceph.images.data`."""

    def writer(self, image: str) -> 'Writer': ...

    def reader(self, image: str) -> 'Reader': ...

    def digest(self, image: str, snapshot: str, algorithm: str, length: int,
               advance: Callable[[int], None]) -> str: ...

    def check_layout(self, image: str, size: int, order: int) -> None: ...

    def pool(self) -> str: ...


class Writer(Protocol):
    """An image open for writing; see :mod:`..images.writer`."""

    written: int

    def write(self, chunk: bytes) -> None: ...

    def write_at(self, piece: tuple[int, bytes]) -> None: ...

    def zero(self, offset: int, length: int) -> None: ...

    def close(self) -> None: ...

    def abandon(self) -> None: ...


class Reader(Protocol):
    """An image open for reading; see :mod:`..images.reader`."""

    size: int

    def next(self) -> tuple[int, bytes] | None: ...

    def close(self) -> None: ...


class Snapshots(Protocol):
    """Snapshots; see :mod:`rbd_imgdriver.ceph.images.snapshots`."""

    def create(self, image: str, snapshot: str,
               seal: bool = False) -> None: ...

    def ensure(self, image: str, snapshot: str) -> None: ...

    def sealed(self, image: str) -> str | None: ...

    def remove(self, image: str, snapshot: str) -> None: ...

    def drop(self, id_: str, name: str, hidden_name: str) -> None: ...

    def drop_where(self, id_: str, droppable: Callable[[str], bool],
                   ) -> snapshots.Remaining: ...

    def rename(self, id_: str, name: str, new_name: str) -> None: ...

    def entries(self, id_: str) -> list[header.Snapshot]: ...

    def counts(self) -> dict[str, int]: ...


class Clones(Protocol):
    """Clones; see :mod:`rbd_imgdriver.ceph.images.clones`."""

    def clone(self, spec: clones.CloneSpec) -> str: ...

    def copy(self, spec: clones.CloneSpec) -> str: ...

    def restore_object_maps(self, id_: str,
                            progress: flatten.Progress) -> None: ...

    def flatten(self, id_: str, progress: flatten.Progress,
                is_new: bool = False) -> None: ...

    def probe(self, name: str, snapshot: str) -> int: ...


class Copies(Protocol):
    """Copies of heads; see :mod:`rbd_imgdriver.ceph.images.copies`."""

    def head(self, image: str, target: str, name: str) -> str: ...

    def unused_head(self, image: str, name: str,
                    most: int | None = None) -> str | None: ...

    def drop_inherited(self, image: str) -> None: ...


class Ancestry(Protocol):
    """Parents; see :mod:`rbd_imgdriver.ceph.images.ancestry`."""

    def depth(self, image: str) -> int: ...

    def of(self, image: str) -> list[ancestry.Ancestor]: ...

    def parent(self, id_: str) -> header.ParentRef | None: ...

    def parent_spec(self, id_: str) -> header.ParentRef | None: ...

    def parent_facts(self, ref: header.ParentRef,
                     ) -> tuple[str, ancestry.Parent]: ...

    def removal_facts(self, image: str) -> ancestry.Facts: ...

    def is_lone(self, id_: str) -> bool: ...

    def has_unmirrored_parent(self, image: str) -> bool: ...


class Usage(Protocol):
    """Space and users; see :mod:`rbd_imgdriver.ceph.images.usage`."""

    def of(self, image: str) -> usage.Usage: ...

    def of_trashed(self, id_: str) -> usage.Usage: ...

    def of_snapshot(self, id_: str, name: str) -> usage.SnapshotUsage: ...

    def is_watched(self, id_: str) -> bool: ...

    def watches(self, id_: str) -> int: ...

    def watched(self, ids: Sequence[str]) -> frozenset[str]: ...


class Trash(Protocol):
    """The trash; see :mod:`rbd_imgdriver.ceph.images.trash`."""

    def move(self, image: str, delay: int = 0) -> None: ...

    def finish_move(self, id_: str) -> None: ...

    def entries(self) -> list[trash.Trashed]: ...

    def free(self, id_: str, snapshot: str) -> bool: ...

    def remove(self, id_: str) -> bool: ...

    def purge_intervals(self) -> list[str]: ...
