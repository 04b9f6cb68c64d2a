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
"""import of an encrypted volume: all of the image, encrypted, into it.

Works for every image and cipher that QEMU knows.  Its disk is read from the
cache if that has it, else as by every import.
"""

from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph import parts
from rbd_imgdriver import errors
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver.importer import target as targets
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from rbd_imgdriver.strategies import base


class EncryptedImport:
    """Encrypts an image into one volume.

    :param store: the cache, or None when it is switched off
    :param order: log2 of the object size of the volume in bytes
    :param replaces: whether there is an empty volume whose place it takes
    """

    name = 'import'

    def __init__(self, pool: parts.Pool, importer: image_importer.Importer,
                 store: cache_store.Store | None, order: int,
                 encryption: luks_header.Encryption, replaces: bool) -> None:
        self._pool = pool
        self._importer = importer
        self._store = store
        self._order = order
        self._encryption = encryption
        self._replaces = replaces

    def attempt(self,
                request: model.Request) -> model.Created | model.Declined:
        """Import the image; never declines but for a failure of Ceph."""
        try:
            return self._imported(request)
        except ceph_errors.CephError as error:
            answer = base.declined_by(request, error)
            raise errors.BackendFailed(request.image.id,
                                       answer.reason) from error

    def _imported(self, request: model.Request) -> model.Created:
        target, pool = request.target, self._pool

        def publish(whole: image_importer.Imported) -> None:
            pool.headers.update(
                whole.name, request.record(self.name, whole.bytes_moved))
            if self._replaces:
                pool.images.remove(target.name)
            temporary.publish(pool, whole.name, target.name)

        imported = self._importer.import_image(
            request.image, request.data, targets.Target(
                pool, target.name, self._order, target.size, target.size,
                encryption=self._encryption, project=target.project_id),
            publish=publish, golden=self._plain(request.image))
        return model.Created(bytes_moved=imported.bytes_moved)

    def _plain(self, image: model.Image) -> clones.SnapshotSpec | None:
        return None if self._store is None else self._store.plain(image)
