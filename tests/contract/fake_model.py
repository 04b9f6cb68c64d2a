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
"""A cluster in memory that keeps those rules of Ceph that the driver rests on.

Clone format 2: a snapshot that is removed under its children lives on unseen
until the last of them goes, and an image can be removed only when no
snapshot is left, seen or unseen.  Images have the feature deep-flatten: an
image depends on its parent with its snapshots, or not at all.
"""

import dataclasses
import itertools
import math

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.wire import header

FSID = '11111111-2222-4333-8444-555555555555'


@dataclasses.dataclass(eq=False)
class Snapshot:
    """A snapshot: what the image held when it was made.

    :param changed: objects of the image that were written since
    """

    id: int
    image: 'Image'
    name: str
    size: int
    contents: bytes
    seen: bool = True
    sealed: bool = False
    changed: set[int] = dataclasses.field(default_factory=set)

    def children(self) -> list['Image']:
        return [image for pool in self.image.pool.cluster.pools.values()
                for image in pool.images if image.parent is self]


@dataclasses.dataclass(eq=False)
class Image:
    """An image; its contents without the zeros at their end.

    :param own: objects that are its own, not its parent's
    :param watchers: clients that have it open for writing
    """

    pool: 'Pool'
    id: str
    name: str
    size: int
    order: int
    parent: Snapshot | None = None
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    contents: bytes = b''
    own: set[int] = dataclasses.field(default_factory=set)
    snapshots: list[Snapshot] = dataclasses.field(default_factory=list)
    watchers: int = 0
    trashed: bool = False
    deferred_until: float = 0.0
    created: float = 0.0

    @property
    def object_size(self) -> int:
        return 2 ** self.order

    def write(self, offset: int, data: bytes) -> None:
        before = self.contents.ljust(offset + len(data), b'\0')
        self.contents = (before[:offset] + data
                         + before[offset + len(data):]).rstrip(b'\0')
        first = offset // self.object_size
        last = math.ceil((offset + len(data)) / self.object_size)
        self.own.update(range(first, last))
        for snapshot in self.snapshots:
            snapshot.changed.update(range(first, last))

    def resize(self, size: int) -> None:
        self.size = size
        self.contents = self.contents[:size].rstrip(b'\0')
        self.own = {one for one in self.own if one * self.object_size < size}

    def snapshot(self, name: str) -> Snapshot | None:
        for one in self.snapshots:
            if one.name == name and one.seen:
                return one
        return None

    def remove_snapshot(self, snapshot: Snapshot) -> None:
        """Remove it, or keep it unseen for its children."""
        snapshot.seen = False
        if not snapshot.children():
            self.snapshots.remove(snapshot)

    def remove(self) -> None:
        self.flatten()
        self.pool.images.remove(self)

    def flatten(self) -> None:
        """Let go of the parent; the last child frees an unseen snapshot."""
        parent, self.parent = self.parent, None
        if parent and not parent.seen:
            parent.image.remove_snapshot(parent)


class Pool:
    """The images and leases of one pool."""

    def __init__(self, cluster: 'Cluster', name: str, number: int) -> None:
        self.cluster = cluster
        self.name = name
        self.id = number
        self.images: list[Image] = []
        self.leases: dict[str, tuple[str, dict[str, str]]] = {}
        self.unfinished: set[str] = set()

    def find(self, name: str) -> Image:
        for image in self.images:
            if image.name == name and not image.trashed:
                return image
        raise errors.ImageNotFound(f'image {name}')

    def by_id(self, id_: str) -> Image:
        for image in self.images:
            if image.id == id_:
                return image
        raise errors.ImageNotFound(f'image id {id_}')

    def check_free(self, name: str) -> None:
        if any(image.name == name and not image.trashed
               for image in self.images):
            raise errors.ImageExists(f'image {name}')

    def add(self, name: str, size: int, order: int, **facts) -> Image:
        self.check_free(name)
        image = Image(self, f'{next(self.cluster.numbers):x}', name, size,
                      order, **facts)
        self.images.append(image)
        return image


class Cluster:
    """Pools that know each other."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.numbers = itertools.count(1)
        self.pools = {name: Pool(self, name, number)
                      for number, name in enumerate(names, 1)}

    def pool(self, name: str) -> Pool:
        try:
            return self.pools[name]
        except KeyError:
            raise errors.PoolNotFound(f'pool {name}') from None

    def at(self, ref: header.ParentRef) -> Image:
        """The image that a reference points to."""
        for pool in self.pools.values():
            if pool.id == ref.pool_id:
                return pool.by_id(ref.image_id)
        raise errors.PoolNotFound(f'pool with id {ref.pool_id}')


def reference(snapshot: Snapshot | None) -> header.ParentRef | None:
    if snapshot is None:
        return None
    image = snapshot.image
    return header.ParentRef(image.pool.id, '', image.id, snapshot.id)


def described(snapshot: Snapshot) -> header.Snapshot:
    return header.Snapshot(
        snapshot.id, snapshot.name, snapshot.size, 0,
        len(snapshot.children()), not snapshot.seen)
