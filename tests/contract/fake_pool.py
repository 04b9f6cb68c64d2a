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
"""A pool in memory that keeps the rules of Ceph that the cache rests on.

Clone format 2: a snapshot that is removed under its children lives on unseen
until the last of them goes, and an image can be removed only when no
snapshot is left, seen or unseen.
"""

import dataclasses
import itertools

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph.images import trash
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver.ceph.wire import leases


@dataclasses.dataclass
class Image:
    id: str
    name: str
    size: int
    parent: 'Snapshot | None' = None
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    snapshots: list['Snapshot'] = dataclasses.field(default_factory=list)
    trashed: bool = False


@dataclasses.dataclass
class Snapshot:
    image: Image
    name: str
    seen: bool = True
    children: int = 0


class FakePool:
    """What :class:`rbd_imgdriver.ceph.pool.Pool` does, in memory."""

    def __init__(self, name: str = 'volumes') -> None:
        self.name = name
        self._ids = itertools.count(1)
        self._images: list[Image] = []
        self._leases: dict[str, tuple[str, dict[str, str]]] = {}

    def __str__(self) -> str:
        return self.name

    def _find(self, name: str) -> Image:
        for image in self._images:
            if image.name == name and not image.trashed:
                return image
        raise errors.ImageNotFound(f'image {name}')

    def exists(self, name: str) -> bool:
        return any(image.name == name and not image.trashed
                   for image in self._images)

    def id(self, name: str) -> str:
        return self._find(name).id

    def size(self, name: str) -> int:
        return self._find(name).size

    def names(self) -> list[str]:
        return sorted(image.name for image in self._images
                      if not image.trashed)

    def listed(self, prefix: str) -> list[directory.Listed]:
        return [directory.Listed(image.name, image.id, image.size, 0.0,
                                 dict(image.metadata))
                for image in sorted(self._images, key=lambda i: i.name)
                if image.name.startswith(prefix) and not image.trashed]

    def metadata(self, name: str) -> dict[str, str]:
        return dict(self._find(name).metadata)

    def update_metadata(self, name, values, remove=()) -> None:
        metadata = self._find(name).metadata
        for key in set(remove) - set(values):
            metadata.pop(key, None)
        metadata.update(values)

    def create(self, name, size, order, metadata=None, id_key=None) -> str:
        del order
        self._free(name)
        id_ = str(next(self._ids))
        own = {id_key: id_} if id_key else {}
        self._images.append(Image(id_, name, size,
                                  metadata={**(metadata or {}), **own}))
        return id_

    def _free(self, name: str) -> None:
        if self.exists(name):
            raise errors.ImageExists(f'image {name}')

    def clone(self, spec: clones.CloneSpec) -> str:
        parent = self._find(spec.parent.image)
        for snapshot in parent.snapshots:
            if snapshot.name == spec.parent.snapshot and snapshot.seen:
                break
        else:
            raise errors.SnapshotNotFound(str(spec.parent))
        self._free(spec.name)
        if spec.size is not None and parent.size > spec.size:
            raise clones.SourceTooLarge(spec.parent, parent.size,
                                        spec.size)
        snapshot.children += 1
        id_ = str(next(self._ids))
        self._images.append(Image(
            id_, spec.name, spec.size or parent.size,
            parent=snapshot, metadata=dict(spec.metadata)))
        return id_

    def rename(self, name: str, new_name: str) -> None:
        image = self._find(name)
        self._free(new_name)
        image.name = new_name

    def finish_rename(self, name: str, new_name: str) -> bool:
        return False

    def remove(self, name: str, id_: str | None = None) -> None:
        if not self.exists(name):
            return
        image = self._find(name)
        if id_ not in (None, image.id):
            return
        if image.snapshots:
            raise errors.ImageHasSnapshots(f'image {name}')
        self._drop(image)

    def _drop(self, image: Image) -> None:
        self._images.remove(image)
        parent = image.parent
        if parent is not None:
            parent.children -= 1
            if not parent.seen and not parent.children:
                parent.image.snapshots.remove(parent)

    def snapshot(self, name: str, snapshot: str) -> None:
        image = self._find(name)
        if not any(one.name == snapshot for one in image.snapshots):
            image.snapshots.append(Snapshot(image, snapshot))

    def remove_snapshot(self, name: str, snapshot: str) -> None:
        if self.exists(name):
            for one in list(self._find(name).snapshots):
                if one.name == snapshot:
                    self._hide(one)

    @staticmethod
    def _hide(snapshot: Snapshot) -> None:
        snapshot.seen = False
        if not snapshot.children:
            snapshot.image.snapshots.remove(snapshot)

    def trash_move(self, name: str, delay: int = 0) -> None:
        del delay
        if self.exists(name):
            self._find(name).trashed = True

    def trashed(self) -> list[trash.Trashed]:
        return [trash.Trashed(image.id, image.name, 0.0)
                for image in self._images if image.trashed]

    def trash_free(self, id_: str) -> bool:
        for image in self._images:
            if image.id == id_ and image.trashed:
                for snapshot in list(image.snapshots):
                    self._hide(snapshot)
                if image.snapshots:
                    return False
                self._drop(image)
                return True
        return True

    def is_watched(self, id_: str) -> bool:
        del id_
        return False

    def acquire_lease(self, lease: leases.Lease, holder) -> bool:
        if lease.name in self._leases:
            return False
        self._leases[lease.name] = (lease.cookie, dict(holder))
        return True

    def renew_lease(self, lease: leases.Lease) -> None:
        if self._leases.get(lease.name, ('', {}))[0] != lease.cookie:
            raise leases.LeaseLost(lease.name)

    def release_lease(self, lease: leases.Lease) -> None:
        if self._leases.get(lease.name, ('', {}))[0] == lease.cookie:
            del self._leases[lease.name]

    def lease_holder(self, name: str):
        held = self._leases.get(name)
        return dict(held[1]) if held else None
