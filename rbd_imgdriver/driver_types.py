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
"""Cinder's face: volumes whose type asks something of their RBD image."""

from typing import Any

from cinder import exception
from cinder.objects import fields
from cinder.volume.drivers import rbd as cinder_rbd
from oslo_log import log as logging

from rbd_imgdriver import backend
from rbd_imgdriver.ceph import errors as ceph_errors

LOG = logging.getLogger(__name__)

# Seconds that a volume is given to become independent of its parent.  Cinder
# waits for a retype as long as for a copy of the volume, which this is.
_FLATTEN = 6 * 3600


class TypesMixin(cinder_rbd.RBDDriver):
    """Multiattach and replication, where Cinder's driver falls short."""

    @property
    def _backend(self) -> backend.Backend:
        """The parts of the backend; the driver makes them."""
        raise NotImplementedError

    def _enable_replication(self, volume: Any) -> dict[str, str]:
        """Mirror a volume; first make it independent of what is not mirrored.

        RBD refuses to mirror a clone of an image that is not mirrored, such
        as one of Glance's or of the cache.  Cinder's driver leaves it there:
        the volume silently keeps its old type.
        """
        try:
            if self._backend.pool.ancestry.has_unmirrored_parent(volume.name):
                self._make_independent(volume)
        except ceph_errors.CephError as error:
            LOG.error('Volume %(volume)s cannot be replicated: %(error)s',
                      {'volume': volume.name, 'error': error})
            raise exception.ReplicationError(
                reason=str(error), volume_id=volume.id) from error
        update: dict[str, str] = super()._enable_replication(volume)
        return update

    def _make_independent(self, volume: Any) -> None:
        """Flatten a volume now.

        :raises ceph_errors.ImageBusy: when somebody may be reading from its
            parent through it
        """
        pool, flattener = self._backend.pool, self._backend.chains.flattener
        clone = f'{volume.name} is a clone of an image that is not mirrored'
        if volume.attach_status not in (
                None, fields.VolumeAttachStatus.DETACHED):
            raise ceph_errors.ImageBusy(f'{clone}, and attached: detach it')
        if not pool.ancestry.is_lone(pool.directory.id(volume.name)):
            raise ceph_errors.ImageBusy(
                f'{clone}, and has snapshots: delete them')
        flattener.request(pool, volume.name)
        if not flattener.settle(pool, volume.name, _FLATTEN):
            raise ceph_errors.ImageBusy(
                f'{volume.name} could not be flattened; the log says why')

    def _disable_multiattach(self, volume: Any) -> dict[str, None]:
        """Give a volume back the features that multiattach took from it.

        A volume for which nobody noted them gets those of a new image.
        Cinder's driver notes none when it clones an image, and forgets them
        when it copies a volume from another backend.
        """
        if not volume.provider_location:
            with cinder_rbd.RADOSClient(self) as client:
                volume.provider_location = self._dumps(
                    {'saved_features': client.features})
        update: dict[str, None] = super()._disable_multiattach(volume)
        return update

    def update_migrated_volume(self, ctxt: Any, volume: Any, new_volume: Any,
                               original_volume_status: str) -> dict[str, Any]:
        """Give the copy of a volume its name, and keep what is noted of it.

        :param new_volume: the copy
        """
        update = super().update_migrated_volume(
            ctxt, volume, new_volume, original_volume_status)
        return {**update, 'provider_location': new_volume.provider_location}
