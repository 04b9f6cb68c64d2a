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

# What says that a cluster is gone, not that a volume is.
_NO_ANSWER = (exception.VolumeBackendAPIException, ceph_errors.TimedOut,
              ceph_errors.Disconnected)


class TypesMixin(cinder_rbd.RBDDriver):
    """Multiattach and replication, where Cinder's driver falls short."""

    @property
    def _backend(self) -> backend.Backend:
        """The parts of the backend; the driver makes them."""
        raise NotImplementedError

    def _enable_replication(self, volume: Any) -> dict[str, str]:
        """Mirror a volume; first make it independent of other images.

        RBD refuses to mirror a clone of an image that is not mirrored, such
        as one of Glance's or of the cache.  Cinder's driver leaves it there:
        the volume silently keeps its old type.

        A clone of a mirrored one RBD takes.  But once that, or only its
        snapshot, is deleted, the clone no longer reaches a second cluster
        that does not have it yet, nor one that has to fetch it again after
        a disaster: the volume would be lost.
        """
        try:
            if self._must_become_independent(volume):
                self._make_independent(volume)
        except ceph_errors.CephError as error:
            LOG.error('Volume %(volume)s cannot be replicated: %(error)s',
                      {'volume': volume.name, 'error': error})
            raise exception.ReplicationError(
                reason=str(error), volume_id=volume.id) from error
        update: dict[str, str] = super()._enable_replication(volume)
        return update

    def _must_become_independent(self, volume: Any) -> bool:
        """Whether a volume is a clone, and more than Cinder's temporary one.

        Cinder makes such a volume, without quota, for the time of a backup.
        """
        pool = self._backend.pool
        if not volume.use_quota:
            return pool.ancestry.has_unmirrored_parent(volume.name)
        id_ = pool.directory.id(volume.name)
        return pool.ancestry.parent_spec(id_) is not None

    def _demote_volumes(self, volumes: list[Any],
                        until_failure: bool = True) -> list[bool]:
        """Try to demote volumes on the cluster that is active now.

        What is not demoted is promoted by force on the other cluster:
        without the writes that are still on their way, and so that it has to
        be fetched again before the way back.  Cinder's driver demotes nothing
        after its first failure, which a volume whose create has failed is
        enough for.  Here only a cluster that does not answer ends it.

        :returns: for each volume, whether it was demoted
        """
        demoted, answers = [], True
        for volume in volumes:
            done = False
            if answers:
                try:
                    with ceph_errors.translated(f'demotion of {volume.name}'):
                        self._exec_on_volume(volume.name, self._active_config,
                                             'mirror_image_demote')
                    done = True
                except Exception as error:
                    LOG.warning('Volume %(volume)s is going to be promoted '
                                'by force: %(error)s',
                                {'volume': volume.name, 'error': error})
                    answers = not (until_failure
                                   and isinstance(error, _NO_ANSWER))
            demoted.append(done)
        return demoted

    def _make_independent(self, volume: Any) -> None:
        """Flatten a volume now.

        :raises ceph_errors.ImageBusy: when somebody may be reading from its
            parent through it
        """
        pool, flattener = self._backend.pool, self._backend.chains.flattener
        clone = f'{volume.name} is a clone of another image'
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
