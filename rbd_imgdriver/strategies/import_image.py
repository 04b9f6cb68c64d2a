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
"""import: get the image's data into RBD; works for every image.

With the cache on, the data goes into the cache first and the volume is a
clone of it: the next create is a hit.  Without it, or when the cache cannot
take the image, the data goes straight into the volume.
"""

from typing import Protocol

from oslo_log import log as logging

from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.cache import wish as wishes
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph import parts
from rbd_imgdriver import errors
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer import target as targets
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from rbd_imgdriver.strategies import base
from rbd_imgdriver.strategies import cached_clone

LOG = logging.getLogger(__name__)


class Importer(Protocol):
    """What is needed of :class:`rbd_imgdriver.importer.importer.Importer`."""

    def import_image(self, image: model.Image, data: model.ImageData,
                     target: targets.Target, *,
                     publish: image_importer.Publish | None = None,
                     ) -> image_importer.Imported:
        """Make an RBD image of an image's data."""
        ...


class Filler(Protocol):
    """What is needed of :class:`rbd_imgdriver.cache.fill.Filler`."""

    @property
    def store(self) -> cache_store.Store:
        """The cache."""
        ...

    def fill(self, wish: wishes.Wish) -> wishes.Filled:
        """Have an image in the cache."""
        ...


class ImportImage:
    """Imports an image into the cache or into the volume.

    :param pool: where the volume goes
    :param order: log2 of the object size of the volume in bytes
    :param filler: fills the cache, or None when it is switched off
    :param cached: clones golden images
    """

    name = 'import'

    def __init__(self, pool: parts.Pool, importer: Importer,
                 order: int, filler: Filler | None,
                 cached: cached_clone.CachedClone) -> None:
        self._pool = pool
        self._importer = importer
        self._order = order
        self._filler = filler
        self._cached = cached

    def attempt(self,
                request: model.Request) -> model.Created | model.Declined:
        """Import the image; never declines but for a failure of Ceph."""
        try:
            return (self._through_cache(request)
                    or self._into_volume(request))
        except ceph_errors.CephError as error:
            answer = base.declined_by(request, error)
            raise errors.BackendFailed(request.image.id,
                                       answer.reason) from error

    def _through_cache(self, request: model.Request) -> model.Created | None:
        if self._filler is None:
            return None
        try:
            filled = self._filler.fill(wishes.Wish(
                request.image, request.data, request.events,
                request.target.size, project=request.target.project_id))
        except wishes.CacheUnusable as error:
            LOG.warning('Image %(image)s is not cached (%(code)s): %(error)s',
                        {'image': request.image.id, 'code': error.code,
                         'error': error})
            return None
        strategy = self.name if filled.imported else self._cached.name
        try:
            if not self._filler.store.verified(filled.golden, request.image):
                return None  # by a host that asks for no signatures
            return self._cached.clone(
                request, self._filler.store, filled.golden, strategy,
                filled.bytes_moved)
        except (ceph_errors.ImageNotFound, ceph_errors.SnapshotNotFound):
            LOG.warning('%s was evicted before it could be cloned',
                        filled.golden)
            return None

    def _into_volume(self, request: model.Request) -> model.Created:
        target, pool = request.target, self._pool

        def publish(whole: image_importer.Imported) -> None:
            pool.headers.update(
                whole.name, request.record(self.name, whole.bytes_moved))
            temporary.publish(pool, whole.name, target.name)

        imported = self._importer.import_image(
            request.image, request.data,
            targets.Target(pool, target.name, self._order, target.size,
                           target.size, project=target.project_id),
            publish=publish)
        return model.Created(bytes_moved=imported.bytes_moved)
