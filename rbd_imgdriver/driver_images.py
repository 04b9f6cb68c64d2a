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
"""Cinder's face for images copied into volumes and volumes into images.

What clone_image leaves to Cinder's own flow ends here: images of encrypted
volumes, re-imaging, and encrypted volumes.  Cinder's manager downloads the
image before it asks a driver for an encrypted volume; nothing a driver can
do keeps it from that (create_volume.py, ``_create_from_image``, calls
``clone_image`` for other volumes only).  :mod:`rbd_imgdriver.manager` does.
"""

from typing import Any

from cinder import exception
from cinder.image import image_utils
from cinder.volume.drivers import rbd as cinder_rbd
from cinder.volume import volume_utils
from oslo_config import cfg
from oslo_log import log as logging

from rbd_imgdriver import backend
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.importer import importer
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver.importer.source import local
from rbd_imgdriver.importer import target as targets
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from rbd_imgdriver.openstack import encryption as cinder_encryption
from rbd_imgdriver.openstack import errors as cinder_errors
from rbd_imgdriver.openstack import glance_data
from rbd_imgdriver.openstack import images as cinder_images
from rbd_imgdriver.openstack import notifications as cinder_notifications
from rbd_imgdriver.openstack import volumes as cinder_volumes
from rbd_imgdriver import provision
from rbd_imgdriver.strategies import base
from rbd_imgdriver.strategies import encrypted_clone

LOG = logging.getLogger(__name__)
CONF = cfg.CONF

# The capability that clone_image() may be called for encrypted volumes.
CLONES_ENCRYPTED = 'clone_image_encrypted'


class ImagesMixin(cinder_rbd.RBDDriver):
    """Imports that Cinder asks for itself, and uploads."""

    @property
    def _backend(self) -> backend.Backend:
        """The parts of the backend; the driver makes them."""
        raise NotImplementedError

    def copy_image_to_volume(self, context: Any, volume: Any,
                             image_service: Any, image_id: str,
                             disable_sparse: bool = False) -> None:
        """Fill a volume with an image.

        :param disable_sparse: the volume holds data and has to stay the same
            RBD image: a re-image
        """
        image = _image(context, image_service, image_id)
        data = _data(context, image_service, image_id)
        if disable_sparse:
            self._overwrite(context, volume, image, data, None)
        else:
            self._fill(volume, image, data)
        self._set_up_filled(volume)

    def copy_image_to_encrypted_volume(
            self, context: Any, volume: Any, image_service: Any,
            image_id: str, disable_sparse: bool = False) -> None:
        """The same for an image that is to be encrypted on the way."""
        image = _image(context, image_service, image_id)
        data = _data(context, image_service, image_id)
        if disable_sparse:
            self._overwrite(context, volume, image, data,
                            cinder_encryption.encryption_of(context, volume))
        else:
            self._fill_encrypted(context, volume, image, data)
        self._set_up_filled(volume)

    def copy_volume_to_image(self, context: Any, volume: Any,
                             image_service: Any,
                             image_meta: dict[str, Any]) -> None:
        """Upload a volume to Glance.

        Raw data streams from RBD; another format takes one temporary file of
        its own size.
        """
        disk_format = image_meta['disk_format']
        image_utils.check_image_conversion_disable(
            disk_format, 'raw', image_meta['id'], upload=True)
        with cinder_errors.translated(), self._backend.exporter.exported(
                image_meta['id'], self._backend.pool, volume.name,
                disk_format,
                compressed_container=(
                    image_meta.get('container_format') == 'compressed'),
                compressed_clusters=CONF.image_compress_on_upload) as file:
            # Already in its final format: Cinder has nothing to convert.
            volume_utils.upload_volume(
                context, image_service,
                {**image_meta, 'container_format': 'bare'}, None, volume,
                volume_format=disk_format, volume_fd=file)

    def _create_encrypted_volume(self, volume: Any, context: Any) -> None:
        """Make a volume that holds nothing yet and is encrypted.

        Cinder's create_volume calls this.  Its own takes two temporary files
        and an import, and fails whenever qemu finds the machine too busy to
        measure it.
        """
        with cinder_errors.translated():
            self._backend.importer.create_encrypted(
                self._backend.pool, volume.name,
                order=self._backend.settings.order,
                size=int(volume.size) * model.GIB,
                encryption=cinder_encryption.encryption_of(context, volume))

    def _encrypted_cascade(self, context: Any, volume: Any,
                           replaces: bool) -> list[base.Strategy]:
        """The strategies for an encrypted volume.

        :param replaces: whether Cinder has made an empty one already
        :raises cinder.exception.CinderException: when its type cannot be used
        """
        backend = self._backend
        return backend.encrypted_cascade(encrypted_clone.Terms(
            cinder_encryption.encryption_of(context, volume),
            str(volume.volume_type_id or ''),
            cinder_encryption.ProjectKeys(
                context, str(volume.project_id),
                backend.settings.chains.rules.volume_id), replaces))

    def _request(self, context: Any, volume: Any, image: model.Image,
                 data: model.ImageData) -> model.Request:
        return model.Request(
            image=image, target=cinder_images.target_of(
                volume, self._is_replicated_type(volume.volume_type)),
            data=data, volumes=cinder_volumes.CinderVolumes(context),
            events=cinder_notifications.CinderEvents(context, volume.host))

    def _overwrite(self, context: Any, volume: Any, image: model.Image,
                   data: model.ImageData,
                   encryption: luks_header.Encryption | None) -> None:
        """Re-image a volume: it stays the same RBD image."""
        with cinder_errors.translated(context, volume.id, reimage=True):
            self._backend.importer.overwrite(
                image, data, targets.existing(
                    self._backend.pool, volume.name,
                    self._backend.settings.order, encryption,
                    volume.project_id), self._golden(image))

    def _fill(self, volume: Any, image: model.Image,
              data: model.ImageData) -> None:
        """Put a filled image into the place of the empty one Cinder made."""
        pool, size = self._backend.pool, int(volume.size) * model.GIB

        def replace(whole: importer.Imported) -> None:
            pool.images.remove(volume.name)
            temporary.publish(pool, whole.name, volume.name)

        with cinder_errors.translated():
            done = self._backend.importer.import_image(
                image, data, targets.Target(
                    pool, volume.name, self._backend.settings.order, size,
                    size, {model.STRATEGY_KEY: backend.IMPORT},
                    project=volume.project_id),
                publish=replace, golden=self._golden(image))
        LOG.info('Volume %(volume)s made from image %(image)s by import, '
                 '%(bytes)d bytes moved',
                 {'volume': volume.name, 'image': image.id,
                  'bytes': done.bytes_moved})

    def _fill_encrypted(self, context: Any, volume: Any, image: model.Image,
                        data: model.ImageData) -> None:
        """The same for an encrypted volume, by whatever is fastest."""
        strategies = self._encrypted_cascade(context, volume, replaces=True)
        with cinder_errors.translated():
            outcome = provision.provision(
                strategies, self._request(context, volume, image, data))
        cinder_notifications.notify_made(context, volume, image.id, outcome)

    def _set_up_filled(self, volume: Any) -> None:
        try:
            self._setup_volume(volume)
        except Exception as error:
            raise exception.ReplicationError(
                reason=f'Failed to set up the volume: {error}',
                volume_id=volume.id) from error

    def _golden(self, image: model.Image) -> clones.SnapshotSpec | None:
        if self._backend.settings.cache is None:
            return None
        return self._backend.store.plain(image)


def _image(context: Any, image_service: Any, image_id: str) -> model.Image:
    return cinder_images.image_of(
        image_service.show(context, image_id),
        _location(context, image_service, image_id))


def _data(context: Any, image_service: Any,
          image_id: str) -> model.ImageData:
    """What Cinder's manager has downloaded, else what Glance sends."""
    path = image_utils.TemporaryImages.for_image_service(image_service).get(
        context, image_id)
    if path:
        return local.LocalData(path)
    return glance_data.GlanceData(context, image_service, image_id)


def _location(context: Any, image_service: Any, image_id: str) -> Any:
    try:
        return image_service.get_location(context, image_id)
    except exception.CinderException as error:
        LOG.info('The locations of image %(image)s are not known: %(error)s',
                 {'image': image_id, 'error': error})
        return None
