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
"""Images, snapshots and clones of a pool in memory."""

import hashlib
import time

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import ancestry
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph.images import layouts
from rbd_imgdriver.ceph.images import reader
from rbd_imgdriver.ceph.images import snapshots
from rbd_imgdriver.ceph.images import usage
from rbd_imgdriver.ceph.wire import trash
from tests.contract import fake_model


class _Part:
    def __init__(self, pool: fake_model.Pool) -> None:
        self._pool = pool
        self._cluster = pool.cluster

    def _snapshot(self, image: fake_model.Image,
                  name: str) -> fake_model.Snapshot:
        found = image.snapshot(name)
        if found is None:
            raise errors.SnapshotNotFound(f'{image.name}@{name}')
        return found


class Images(_Part):
    def create(self, image, size, order, metadata=None, id_key=None):
        made = self._pool.add(image, size, order,
                              metadata=dict(metadata or {}))
        if id_key:
            made.metadata[id_key] = made.id
        return made.id

    def resize(self, image, size):
        self._pool.find(image).resize(size)

    def rename(self, image, new_name):
        found = self._pool.find(image)
        self._pool.check_free(new_name)
        found.name = new_name

    def finish_rename(self, image, new_name, id_):
        del image  # no rename here is ever cut short
        return any(one.name == new_name and one.id == id_
                   and not one.trashed for one in self._pool.images)

    def hold(self, image):
        return _Writer(self._pool.find(image))

    def drop_name(self, image, id_):
        """No name here leads to an image that is gone."""

    def remove(self, image, id_=None):
        try:
            found = self._pool.find(image)
        except errors.ImageNotFound:
            return
        if id_ not in (None, found.id):
            return
        if found.watchers:
            raise errors.ImageBusy(f'image {image}')
        if found.snapshots:
            raise errors.ImageHasSnapshots(f'image {image}')
        found.remove()


class Data(_Part):
    def writer(self, image):
        return _Writer(self._pool.find(image))

    def reader(self, image):
        return _Reader(self._pool.find(image))

    def digest(self, image, snapshot, algorithm, length, advance):
        found = self._snapshot(self._pool.find(image), snapshot)
        advance(length)
        data = found.contents[:length].ljust(length, b'\0')
        return hashlib.new(algorithm, data).hexdigest()

    def check_layout(self, image, size, order):
        found = self._pool.find(image)
        if (found.size, found.order) != (size, order):
            raise layouts.WrongLayout(f'{image} has {found.size} bytes, '
                                      f'order {found.order}')

    def pool(self):
        return ''


class _Writer:
    def __init__(self, image: fake_model.Image) -> None:
        self._image = image
        self._offset = 0
        self.written = 0
        image.watchers += 1

    def write(self, chunk):
        self.write_at((self._offset, chunk))
        self._offset += len(chunk)

    def write_at(self, piece):
        offset, chunk = piece
        if chunk.strip(b'\0'):
            self._image.write(offset, chunk)
            self.written += len(chunk)

    def zero(self, offset, length):
        self._image.write(offset, bytes(length))

    def close(self):
        self._image.watchers -= 1

    abandon = close


class _Reader:
    def __init__(self, image: fake_model.Image) -> None:
        self.size = image.size
        data = image.contents
        self._pieces = [(at, data[at:at + reader.PIECE].ljust(
            min(reader.PIECE, image.size - at), b'\0'))
            for at in range(0, len(data), reader.PIECE)]

    def next(self):
        while self._pieces:
            offset, data = self._pieces.pop(0)
            if data.strip(b'\0'):
                return offset, data
        return None

    def close(self):
        self._pieces = []


class Snapshots(_Part):
    def create(self, image, snapshot, seal=False):
        found = self._pool.find(image)
        if found.snapshot(snapshot):
            raise errors.SnapshotExists(f'{image}@{snapshot}')
        found.snapshots.append(fake_model.Snapshot(
            next(self._cluster.numbers), found, snapshot, found.size,
            found.contents, sealed=seal and not found.watchers))

    def ensure(self, image, snapshot):
        if not self._pool.find(image).snapshot(snapshot):
            self.create(image, snapshot)

    def sealed(self, image):
        found = self._pool.find(image)
        seals = [one for one in found.snapshots if one.sealed]
        if not seals:
            return None
        last = seals[-1]
        same = last.seen and not last.changed and last.size == found.size
        return last.name if same else None

    def remove(self, image, snapshot):
        try:
            found = self._pool.find(image)
        except errors.ImageNotFound:
            return
        self.drop(found.id, snapshot, snapshot)

    def drop(self, id_, name, hidden_name):
        del hidden_name  # clones of format 1 are not here
        try:
            image = self._pool.by_id(id_)
        except errors.ImageNotFound:
            return
        found = image.snapshot(name)
        if found:
            image.remove_snapshot(found)

    def drop_where(self, id_, droppable):
        image = self._pool.by_id(id_)
        for one in list(image.snapshots):
            if one.seen and droppable(one.name):
                image.remove_snapshot(one)
        named = tuple(one.name for one in image.snapshots if one.seen)
        return snapshots.Remaining(named, len(image.snapshots) - len(named))

    def rename(self, id_, name, new_name):
        image = self._pool.by_id(id_)
        if image.snapshot(new_name):
            raise errors.SnapshotExists(f'{image.name}@{new_name}')
        self._snapshot(image, name).name = new_name

    def entries(self, id_):
        try:
            image = self._pool.by_id(id_)
        except errors.ImageNotFound:
            return []
        return [fake_model.described(one) for one in image.snapshots[::-1]]

    def counts(self):
        return {image.name: len(image.snapshots)
                for image in self._pool.images if not image.trashed}


class Clones(_Part):
    def clone(self, spec):
        source = self._cluster.pool(spec.parent.pool).find(spec.parent.image)
        parent = self._snapshot(source, spec.parent.snapshot)
        self._pool.check_free(spec.name)
        key = spec.parent_id_key
        if key is not None and source.metadata.get(key) != source.id:
            raise errors.ImageNotFound(str(spec.parent))
        if spec.size is not None and parent.size > spec.size:
            raise clones.SourceTooLarge(spec.parent, parent.size, spec.size)
        made = self._pool.add(
            spec.name, spec.size or parent.size,
            max(spec.order, source.order), parent=parent,
            contents=parent.contents)
        made.metadata = {**_inherited(source.metadata),
                         **spec.metadata_of(made.id)}
        return made.id

    def copy(self, spec):
        id_ = self.clone(spec)
        self._flatten(self._pool.by_id(id_))
        return id_

    def restore_object_maps(self, id_, progress):
        """They are never switched off here."""

    def flatten(self, id_, progress, is_new=False):
        image = self._pool.by_id(id_)
        if image.watchers and not is_new:
            raise errors.ImageBusy(f'image id {id_} is open on a client')
        if image.parent is None:
            return
        if progress(0, 1) < 0:
            raise errors.Cancelled(f'flatten of image id {id_}')
        self._flatten(image)
        progress(1, 1)

    def probe(self, name, snapshot):
        self._pool.check_free(name)
        return 2

    @staticmethod
    def _flatten(image: fake_model.Image) -> None:
        image.own.update(range(-(-len(image.contents) // image.object_size)))
        image.flatten()


def _inherited(metadata: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in metadata.items()
            if not key.startswith(('rbd-imgdriver/', 'conf_rbd_qos_',
                                   'conf_rbd_balance_snap_reads'))}


class Copies(_Part):
    def head(self, image, target, name):
        found = self._pool.find(image)
        shared = found.parent is None or found.parent.seen
        return self._cluster.pool(target).add(
            name, found.size, found.order, contents=found.contents,
            parent=found.parent if shared else None,
            own=set(found.own), metadata=dict(found.metadata),
            created=time.time()).id

    def unused_head(self, image, name, most=None):
        found = self._pool.find(image)
        shared = found.parent is None or found.parent.seen
        if found.watchers or (most is not None and (
                not shared or len(found.own) * found.object_size > most)):
            return None
        return self.head(image, self._pool.name, name)

    def drop_inherited(self, image):
        found = self._pool.find(image)
        found.metadata = _inherited(found.metadata)


class Ancestry(_Part):
    def depth(self, image):
        return len(self.of(image))

    def of(self, image):
        found = []
        parent = self._pool.find(image).parent
        while parent is not None:
            found.append(ancestry.Ancestor(
                parent.image.pool.name, parent.image.name, parent.name,
                parent.size, parent.image.trashed))
            parent = parent.image.parent
        return found

    def parent(self, id_):
        return fake_model.reference(self._pool.by_id(id_).parent)

    def parent_spec(self, id_):
        return fake_model.reference(self._pool.by_id(id_).parent)

    def parent_facts(self, ref):
        image = self._cluster.at(ref)
        snapshot = next((one for one in image.snapshots
                         if one.id == ref.snapshot_id), None)
        return image.pool.name, ancestry.Parent(
            image.id, image.name, image.trashed, int(image.deferred_until),
            fake_model.described(snapshot) if snapshot else None,
            len(image.snapshots), fake_model.reference(image.parent))

    def removal_facts(self, image):
        found = self._pool.find(image)
        return ancestry.Facts(found.id, self.parent_spec(found.id),
                              len(found.snapshots))

    def has_unmirrored_parent(self, image):
        return self._pool.find(image).parent is not None

    def is_lone(self, id_):
        return not self._pool.by_id(id_).snapshots


class Usage(_Part):
    def of(self, image):
        return self._of(self._pool.find(image))

    def of_trashed(self, id_):
        return self._of(self._pool.by_id(id_))

    def of_snapshot(self, id_, name):
        image = self._pool.by_id(id_)
        found = self._snapshot(image, name)
        return usage.SnapshotUsage(len(found.changed) * image.object_size,
                                   _children(found))

    def is_watched(self, id_):
        try:
            return self.watches(id_) > 0
        except errors.ImageNotFound:
            return False

    def watched(self, ids):
        return frozenset(image.id for image in self._pool.images
                         if image.id in ids and image.watchers)

    def watches(self, id_):
        return int(self._pool.by_id(id_).watchers)

    @staticmethod
    def _of(image: fake_model.Image) -> usage.Usage:
        return usage.Usage(
            image.size, len(image.own) * image.object_size,
            tuple(one.name for one in image.snapshots if one.seen),
            tuple(child for one in image.snapshots
                  for child in _children(one)))


def _children(snapshot: fake_model.Snapshot) -> tuple[usage.Child, ...]:
    return tuple(usage.Child(f'{one.pool.name}/{one.name}', one.trashed)
                 for one in snapshot.children())


class Trash(_Part):
    def move(self, image, delay=0):
        try:
            found = self._pool.find(image)
        except errors.ImageNotFound:
            return
        found.trashed = True
        found.deferred_until = time.time() + delay

    def finish_move(self, id_):
        """Nothing is cut short here."""

    def entries(self):
        return [trash.Trashed(image.id, image.name, image.deferred_until)
                for image in self._pool.images if image.trashed]

    def free(self, id_, snapshot):
        image = self._trashed(id_)
        if image is None:
            return True
        if any(one.name != snapshot for one in image.snapshots if one.seen):
            return False
        for one in list(image.snapshots):
            if one.seen:
                image.remove_snapshot(one)
        return self.remove(id_)

    def remove(self, id_):
        image = self._trashed(id_)
        if image is None:
            return True
        if image.deferred_until > time.time():
            raise errors.PermissionDenied(f'image id {id_} is deferred')
        if image.snapshots or image.watchers:
            return False
        image.remove()
        return True

    def purge_intervals(self):
        return []

    def _trashed(self, id_: str) -> fake_model.Image | None:
        return next((one for one in self._pool.images
                     if one.id == id_ and one.trashed), None)
