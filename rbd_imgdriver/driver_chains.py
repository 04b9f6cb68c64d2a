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
"""Cinder's face for volumes as parents and children of each other."""

from collections.abc import Callable
import dataclasses
from typing import Any

from cinder import exception
from cinder.objects import fields
from cinder.volume.drivers import rbd as cinder_rbd
from oslo_log import log as logging
from oslo_service import loopingcall

from rbd_imgdriver import backend
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.chain import chains
from rbd_imgdriver.chain import clone
from rbd_imgdriver.chain import move
from rbd_imgdriver import model
from rbd_imgdriver.openstack import errors as cinder_errors
from rbd_imgdriver import undo

LOG = logging.getLogger(__name__)

# Seconds between looks for flattens that a host has begun and not finished.
_RESUME_INTERVAL = 300

_DETACHED = fields.VolumeAttachStatus.DETACHED


class ChainsMixin(cinder_rbd.RBDDriver):
    """Clones, snapshots, deletion and migration."""

    @property
    def _backend(self) -> backend.Backend:
        """The parts of the backend; the driver makes them."""
        raise NotImplementedError

    @property
    def _chains(self) -> chains.Chains:
        return self._backend.chains

    def create_cloned_volume(self, volume: Any,
                             src_vref: Any) -> dict[str, Any]:
        """Make a volume with the contents of another."""
        wanted = clone.Wanted(
            volume.name, temporary=not volume.use_quota,
            size=(None if volume.size == src_vref.size
                  else int(volume.size) * model.GIB))
        with cinder_errors.translated():
            self._chains.cloner.clone_volume(
                src_vref.name, _is_attached(src_vref), wanted)
        return self._set_up(volume)

    def create_volume_from_snapshot(self, volume: Any,
                                    snapshot: Any) -> dict[str, Any]:
        """Make a volume from a snapshot."""
        growth = int(volume.size) - int(snapshot.volume_size)
        wanted = clone.Wanted(
            volume.name, temporary=not volume.use_quota,
            growth=growth * model.GIB)
        if growth > 0 and not volume.encryption_key_id:
            wanted = dataclasses.replace(
                wanted, growth=0, size=int(volume.size) * model.GIB)
        with cinder_errors.translated():
            self._chains.cloner.from_snapshot(
                snapshot.volume_name, snapshot.name, wanted,
                self.configuration.rbd_flatten_volume_from_snapshot)
        return self._set_up(volume)

    def delete_volume(self, volume: Any) -> None:
        """Delete a volume, with all that was kept only for it."""
        with cinder_errors.translated():
            try:
                self._chains.deleter.delete(volume.name)
            except ceph_errors.ImageBusy as error:
                LOG.warning('Volume %(volume)s is in use: %(error)s',
                            {'volume': volume.name, 'error': error})
                cinder_errors.report_client(volume)
                raise exception.VolumeIsBusy(
                    volume_name=volume.name) from error
            except ceph_errors.ImageGrouped as error:
                LOG.error('Volume %(volume)s cannot be deleted: %(error)s',
                          {'volume': volume.name, 'error': error})
                raise exception.VolumeIsBusy(
                    volume_name=volume.name) from error

    def create_snapshot(self, snapshot: Any) -> None:
        """Make a snapshot of a volume."""
        with cinder_errors.translated():
            self._chains.create_snapshot(snapshot.volume_name, snapshot.name)

    def delete_snapshot(self, snapshot: Any) -> None:
        """Delete a snapshot, whether or not volumes were made of it."""
        with cinder_errors.translated():
            try:
                self._chains.delete_snapshot(snapshot.volume_name,
                                             snapshot.name)
            except ceph_errors.ImageBusy as error:
                raise exception.SnapshotIsBusy(
                    snapshot_name=snapshot.name) from error

    def initialize_connection(self, volume: Any,
                              connector: dict[str, Any]) -> dict[str, Any]:
        """Say how to open a volume; nobody flattens it from now on."""
        try:
            self._chains.before_attach(volume.name)
        except ceph_errors.CephError as error:
            LOG.warning('It is not known whether volume %(volume)s is being '
                        'flattened: %(error)s',
                        {'volume': volume.name, 'error': error})
        return dict(super().initialize_connection(volume, connector))

    # Nothing of ours calls these two.  Should a release of Cinder do so, it
    # gets a flatten that harms nobody.

    def _flatten_volume(self, image_name: str, client: Any) -> None:
        with cinder_errors.translated():
            self._chains.flattener.request(self._backend.pool, image_name)

    def _do_flatten(self, volume_name: str, pool: str) -> None:
        with cinder_errors.translated():
            self._chains.flattener.request(
                self._backend.pool.sibling(pool), volume_name)

    def migrate_volume(self, context: Any, volume: Any,
                       host: dict[str, Any]) -> tuple[bool, None]:
        """Move a volume to another backend of the same cluster.

        Cinder calls it for a retype between backends, too.

        :param host: capabilities of the other backend
        :returns: (whether it was moved, None); what was not moved Cinder
            copies itself
        """
        refused = (False, None)
        pool = self._pool_on_our_cluster(host['capabilities'])
        if pool is None:
            return refused
        if pool == self.configuration.rbd_pool:
            return True, None
        if volume.status not in ('available', 'retyping', 'maintenance'):
            LOG.info('%s is attached: Cinder copies it.', volume.name)
            return refused
        try:
            self._chains.move(volume.name, pool)
        except (move.SourceRemains, ceph_errors.ImageGrouped) as error:
            # Cinder could not delete the source, either.
            raise exception.VolumeMigrationFailed(
                reason=str(error)) from error
        except ceph_errors.CephError as error:
            LOG.warning('Cinder copies volume %(volume)s: %(error)s',
                        {'volume': volume.name, 'error': error})
            return refused
        return True, None

    def _pool_on_our_cluster(self,
                             capabilities: dict[str, Any]) -> str | None:
        """The pool of another RBD backend, if it is on our cluster.

        From what ``_update_volume_stats`` of Cinder's driver reports:
        cluster name, configuration file, fsid, user and pool.
        """
        location = str(capabilities.get('location_info') or '').split(':')
        if (capabilities.get('storage_protocol') != self.STORAGE_PROTOCOL
                or len(location) != 5):
            return None
        _, _, fsid, _, pool = location
        return pool if fsid == self._get_fsid() else None

    def _set_up(self, volume: Any) -> dict[str, Any]:
        """QoS, replication and multiattach of a volume just made."""
        try:
            with undo.on_error(
                    f'image {volume.name}',
                    lambda: self._chains.deleter.delete(volume.name)):
                return dict(self._setup_volume(volume))
        except Exception as error:
            LOG.error('%s', undo.explained(error))
            raise exception.ReplicationError(
                reason=f'Failed to set up the volume: {error}',
                volume_id=volume.id) from error

    def _start_periodic_tasks(self) -> None:
        """Finish what was left undone, now and from time to time."""
        self._every(_RESUME_INTERVAL, lambda: self._chains.resume())
        if self.configuration.enable_deferred_deletion:
            self._every(self.configuration.deferred_deletion_purge_interval,
                        self._trash_purge)

    def _trash_purge(self) -> None:
        self._chains.purge()

    @staticmethod
    def _every(seconds: float, task: Callable[[], None]) -> None:
        loopingcall.FixedIntervalLoopingCall(task).start(interval=seconds)


def _is_attached(volume: Any) -> bool:
    return volume.attach_status not in (None, _DETACHED)
