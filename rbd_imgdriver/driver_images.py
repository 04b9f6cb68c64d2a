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

What clone_image leaves to Cinder's own flow ends here: encrypted volumes,
images of encrypted volumes, and re-imaging.  Cinder's manager downloads the
image before it asks a driver for an encrypted volume; nothing a driver can
do keeps it from that (create_volume.py, ``_create_from_image``, calls
``clone_image`` for other volumes only).
"""

import time
from typing import Any

from cinder import exception
from cinder.image import image_utils
from cinder.volume.drivers import rbd as cinder_rbd
from cinder.volume import volume_utils
from oslo_config import cfg
from oslo_log import log as logging

from rbd_imgdriver import backend
from rbd_imgdriver.cache import ciphertext
from rbd_imgdriver.cache import encrypted
from rbd_imgdriver.cache import names
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

LOG = logging.getLogger(__name__)
CONF = cfg.CONF


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
        self._copy_in(context, volume, image_service, image_id, None,
                      disable_sparse)

    def copy_image_to_encrypted_volume(
            self, context: Any, volume: Any, image_service: Any,
            image_id: str, disable_sparse: bool = False) -> None:
        """The same for an image that is to be encrypted on the way."""
        self._copy_in(context, volume, image_service, image_id,
                      cinder_encryption.encryption_of(context, volume),
                      disable_sparse)

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

    def _copy_in(self, context: Any, volume: Any, image_service: Any,
                 image_id: str, encryption: luks_header.Encryption | None,
                 in_place: bool) -> None:
        image = cinder_images.image_of(
            image_service.show(context, image_id),
            _location(context, image_service, image_id))
        data = _data(context, image_service, image_id)
        golden = self._golden(image)
        with cinder_errors.translated(
                context, volume.id if in_place else None, reimage=in_place):
            if in_place:
                self._backend.importer.overwrite(
                    image, data, targets.existing(
                        self._backend.pool, volume.name,
                        self._backend.settings.order, encryption,
                        volume.project_id), golden)
            elif encryption is None or not self._clone_encrypted(
                    context, volume, image, data, encryption, golden):
                self._fill(volume, image, data, encryption, golden)
        try:
            self._setup_volume(volume)
        except Exception as error:
            raise exception.ReplicationError(
                reason=f'Failed to set up the volume: {error}',
                volume_id=volume.id) from error

    def _fill(self, volume: Any, image: model.Image, data: model.ImageData,
              encryption: luks_header.Encryption | None,
              golden: clones.SnapshotSpec | None) -> None:
        """Put a filled image into the place of the empty one Cinder made."""
        pool, size = self._backend.pool, int(volume.size) * model.GIB

        def replace(whole: importer.Imported) -> None:
            pool.images.remove(volume.name)
            temporary.publish(pool, whole.name, volume.name)

        target = targets.Target(
            pool, volume.name, self._backend.settings.order, size, size,
            {model.STRATEGY_KEY: 'import'}, encryption, volume.project_id)
        done = self._backend.importer.import_image(
            image, data, target, publish=replace, golden=golden)
        LOG.info('Volume %(volume)s made from image %(image)s by import, '
                 '%(bytes)d bytes moved, encrypted: %(encrypted)s',
                 {'volume': volume.name, 'image': image.id,
                  'bytes': done.bytes_moved,
                  'encrypted': encryption is not None})

    def _clone_encrypted(self, context: Any, volume: Any, image: model.Image,
                         data: model.ImageData,
                         encryption: luks_header.Encryption,
                         golden: clones.SnapshotSpec | None) -> bool:
        """Make an encrypted volume as a clone, if that can be done.

        :returns: whether it is made; if not it has to be imported
        """
        settings = self._backend.settings
        if (settings.encrypted_clones is ciphertext.Sharing.OFF
                or settings.cache is None or settings.max_depth <= 0
                or self._is_replicated_type(volume.volume_type)):
            return False
        of_type = (settings.encrypted_clones
                   is ciphertext.Sharing.VOLUME_TYPE)
        kind = ciphertext.Kind(
            str(volume.project_id),
            str(volume.volume_type_id or '') if of_type else '',
            encryption.cipher, settings.order)
        keys = cinder_encryption.ProjectKeys(
            context, kind.project, settings.chains.rules.volume_id)
        started = time.monotonic()
        try:
            made = self._backend.encrypted.make(encrypted.Wanted(
                image, data, cinder_notifications.CinderEvents(
                    context, volume.host),
                volume.name, int(volume.size) * model.GIB, kind, encryption,
                keys, {model.STRATEGY_KEY: 'encrypted-clone'}, golden))
        except encrypted.NotCloned as error:
            LOG.info('Encrypted volume %(volume)s is imported by itself, not '
                     'cloned: %(reason)s (%(code)s)',
                     {'volume': volume.name, 'reason': error,
                      'code': error.code})
            return False
        LOG.info('Volume %(volume)s made from image %(image)s by '
                 'encrypted-clone of %(golden)s in %(seconds).2f s, '
                 '%(bytes)d bytes moved',
                 {'volume': volume.name, 'image': image.id,
                  'golden': made.golden, 'bytes': made.bytes_moved,
                  'seconds': time.monotonic() - started})
        return True

    def _golden(self, image: model.Image) -> clones.SnapshotSpec | None:
        if self._backend.settings.cache is None:
            return None
        name = names.golden(image)
        if not self._backend.store.usable(name, image):
            return None
        return self._backend.store.snapshot(name)


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
