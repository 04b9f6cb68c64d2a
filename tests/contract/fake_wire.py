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
"""Leases, directory and headers of a pool in memory."""

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver.ceph.wire import headers
from rbd_imgdriver.ceph.wire import leases
from tests.contract import fake_model


class Leases:
    """Leases that never expire."""

    def __init__(self, pool: fake_model.Pool) -> None:
        self._held = pool.leases

    def acquire(self, lease, holder):
        if lease.name in self._held:
            return False
        self._held[lease.name] = (lease.cookie, dict(holder))
        return True

    def renew(self, lease):
        if self._held.get(lease.name, ('', {}))[0] != lease.cookie:
            raise leases.LeaseLost(lease.name)

    def release(self, lease):
        if self._held.get(lease.name, ('', {}))[0] == lease.cookie:
            del self._held[lease.name]

    def drop(self, name):
        self._held.pop(name, None)

    def tidy(self):
        pass  # none of them expires

    def holder(self, name):
        held = self._held.get(name)
        return dict(held[1]) if held else None


class Unfinished:
    def __init__(self, pool: fake_model.Pool) -> None:
        self._ids = pool.unfinished

    def add(self, ids):
        self._ids.update(ids)

    def remove(self, ids):
        self._ids.difference_update(ids)

    def ids(self):
        return frozenset(self._ids)


class Directory:
    def __init__(self, pool: fake_model.Pool) -> None:
        self._pool = pool

    def exists(self, image):
        try:
            self._pool.find(image)
        except errors.ImageNotFound:
            return False
        return True

    def is_headless(self, image):
        del image  # no name here leads to an image that is gone
        return False

    def id(self, image):
        return self._pool.find(image).id

    def named(self, image):
        try:
            found = self._pool.find(image)
        except errors.ImageNotFound:
            return None
        return directory.Named(
            found.id, image, dict(found.metadata),
            tuple(one.name for one in found.snapshots if one.seen))

    def ids(self):
        return {image.name: image.id for image in self._listed('')}

    def listed(self, prefix):
        return [directory.Listed(image.name, image.id, image.size,
                                 image.created, dict(image.metadata))
                for image in self._listed(prefix)]

    def sizes(self, ids):
        return {image.id: image.size for image in self._listed('')
                if image.id in ids}

    def snapshots(self, ids):
        seen = {image.id: [fake_model.described(one)
                           for one in image.snapshots if one.seen]
                for image in self._listed('') if image.id in ids}
        return {id_: some for id_, some in seen.items() if some}

    def values(self, key):
        return {image.id: image.metadata[key] for image in self._listed('')
                if key in image.metadata}

    def _listed(self, prefix):
        found = [image for image in self._pool.images
                 if image.name.startswith(prefix) and not image.trashed]
        return sorted(found, key=lambda image: image.name)


class Headers:
    def __init__(self, pool: fake_model.Pool) -> None:
        self._pool = pool

    def size(self, image):
        return self._pool.find(image).size

    def metadata(self, image):
        return dict(self._pool.find(image).metadata)

    def summary(self, image):
        found = self._pool.find(image)
        return headers.Summary(dict(found.metadata), found.parent is not None)

    def metadata_id(self, id_):
        try:
            return dict(self._pool.by_id(id_).metadata)
        except errors.ImageNotFound:
            return {}

    def update(self, image, values, remove=()):
        self.update_id(self._pool.find(image).id, values, remove)

    def value(self, id_, key):
        try:
            return self._pool.by_id(id_).metadata.get(key)
        except errors.ImageNotFound:
            return None

    def update_id(self, id_, values, remove=(), only_if=None):
        if only_if and any(self.value(id_, key) != value
                           for key, value in only_if.items()):
            raise errors.Stale('the metadata is not what it was')
        metadata = self._pool.by_id(id_).metadata
        for key in set(remove) - set(values):
            metadata.pop(key, None)
        metadata.update(values)
