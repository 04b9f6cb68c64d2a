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
"""cached-clone: a clone of the image's golden image in the cache.

Prerequisites: ``image_volume_cache_enabled`` in the backend's section, and
an earlier create, or ``rbd-imgdriver-manage cache prefetch``, that put the
image there.  The clone is tried without looking first: on a hit it is the
only librbd operation.
"""

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import names
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver import model
from rbd_imgdriver.strategies import base
from rbd_imgdriver.strategies import maker


class CachedClone:
    """Clones a golden image.

    :param volumes: makes volumes from snapshots
    :param store: the cache, or None when it is switched off
    """

    name = 'cached-clone'

    def __init__(self, volumes: maker.Maker,
                 store: cache_store.Store | None) -> None:
        self._volumes = volumes
        self._store = store

    def attempt(self,
                request: model.Request) -> model.Created | model.Declined:
        """Clone the golden image if there is one."""
        if self._store is None:
            return model.Declined('cache-off',
                                  'image_volume_cache_enabled is not set')
        golden = names.golden(request.image)
        try:
            if not self._store.verified(golden, request.image):
                return base.SIGNATURE_UNVERIFIED
            created = self.clone(request, self._store, golden, self.name)
        except (ceph_errors.ImageNotFound, ceph_errors.SnapshotNotFound):
            request.events.cache('miss', request.image.id)
            return model.Declined('not-cached', f'there is no {golden}')
        except ceph_errors.CephError as error:
            return base.declined_by(request, error)
        request.events.cache('hit', request.image.id)
        return created

    def clone(self, request: model.Request, store: cache_store.Store,
              golden: str, strategy: str,
              bytes_moved: int = 0) -> model.Created:
        """Make the volume from a golden image.

        :param strategy: what the record is to say
        :param bytes_moved: likewise
        :raises rbd_imgdriver.ceph.errors.CephError: when that fails
        """
        with store.using(golden):
            parent = self._volumes.make(request, store.snapshot(golden),
                                      request.record(strategy, bytes_moved),
                                      parent_id_key=entry.ID_KEY)
        store.record_use(golden)
        return model.Created(parent=parent, bytes_moved=bytes_moved,
                             strategy=strategy)
