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
"""What the driver needs of Cinder: the only module that speaks to it.

Translates Cinder's volumes, images and errors into our values and back.
"""

from collections.abc import Iterator
import contextlib
import math
from typing import Any

from castellan import key_manager
from cinder import context
from cinder import exception
from cinder.image import image_utils
from cinder.message import api as message_api
from cinder.message import message_field
from cinder import objects
from cinder import rpc
from cinder import utils
from cinder.volume import volume_utils
from oslo_config import cfg
from oslo_db import exception as db_exception
from oslo_log import log as logging
from sqlalchemy import exc as sqlalchemy_exc

from rbd_imgdriver import backend
from rbd_imgdriver.cache import eviction
from rbd_imgdriver.cache import names as cache_names
from rbd_imgdriver.ceph import connection
from rbd_imgdriver.chain import chains
from rbd_imgdriver.chain import names
from rbd_imgdriver import errors
from rbd_imgdriver.importer import luks
from rbd_imgdriver.importer import options
from rbd_imgdriver import locations
from rbd_imgdriver import model
from rbd_imgdriver import provision
from rbd_imgdriver import signals

LOG = logging.getLogger(__name__)
CONF = cfg.CONF


def settings_of(configuration: Any,
                cluster: connection.ClusterSpec) -> backend.Settings:
    """What the operator decided for a backend.

    :param configuration: Cinder's, of the backend's section
    :param cluster: the cluster that is active now
    """
    get = configuration.safe_get
    limits = None
    if get('image_volume_cache_enabled'):
        limits = eviction.Limits(get('image_volume_cache_max_size_gb') or 0,
                                 get('image_volume_cache_max_count') or 0)
    return backend.Settings(
        cluster=cluster,
        pool=configuration.rbd_pool,
        order=20 + int(math.log2(configuration.rbd_store_chunk_size)),
        max_depth=configuration.rbd_max_clone_depth,
        cascade=tuple(configuration.rbd_imgdriver_strategies),
        cinder_allowed='cinder' in CONF.allowed_direct_url_schemes,
        chains=chain_options(configuration),
        cache=limits,
        imports=import_options(configuration))


def chain_options(configuration: Any) -> chains.Options:
    """What the operator decided about clones."""
    deferred = configuration.enable_deferred_deletion
    return chains.Options(
        limit=configuration.rbd_max_clone_depth,
        concurrency=configuration.rbd_concurrent_flatten_operations,
        deferment=configuration.deferred_deletion_delay if deferred else None,
        patience=(configuration.rados_connection_interval
                  * configuration.rados_connection_retries),
        rules=names.Names(CONF.volume_name_template, cache_names.GOLDEN))


def import_options(configuration: Any) -> options.Options:
    """What the operator decided about imports."""
    return options.Options(
        conversion_dir=str(volume_utils.image_conversion_dir()),
        lock_path=CONF.oslo_concurrency.lock_path or '',
        concurrent=configuration.rbd_imgdriver_concurrent_imports,
        user=configuration.rbd_imgdriver_converter_user,
        memory_limit=(configuration.rbd_imgdriver_converter_memory_gb
                      * model.GIB),
        stall_timeout=configuration.rbd_imgdriver_stall_timeout,
        retries=CONF.glance_num_retries,
        conversion_disabled=CONF.image_conversion_disable,
        compressed_allowed=CONF.allow_compression_on_image_upload,
        vmdk_types=tuple(CONF.vmdk_allowed_types))


def image_of(image_meta: dict[str, Any], image_location: Any) -> model.Image:
    """What Cinder says of an image, as our value.

    :param image_meta: as ``GlanceImageService.show`` returns it
    :param image_location: (direct_url, locations) or None; either part may
        be None, and so may the URL of a location
    """
    direct_url, listed = image_location or (None, None)
    urls = [direct_url]
    for entry in listed or []:
        urls.append(entry.get('url'))
    extra = image_meta.get('properties') or {}

    def fact(name: str) -> Any:
        return image_meta.get(name) or extra.get(name)

    return model.Image(
        id=str(image_meta['id']),
        name=image_meta.get('name') or '',
        disk_format=(image_meta.get('disk_format') or '').lower(),
        container_format=(image_meta.get('container_format') or '').lower(),
        size=image_meta.get('size'),
        virtual_size=image_meta.get('virtual_size'),
        owner=image_meta.get('owner'),
        hash_algo=fact('os_hash_algo'),
        hash_value=fact('os_hash_value'),
        checksum=image_meta.get('checksum'),
        updated_at=_iso(image_meta.get('updated_at')),
        locations=locations.unique(urls))


def target_of(volume: Any, replicated: bool) -> model.Target:
    """The volume that Cinder wants, as our value."""
    return model.Target(
        volume_id=str(volume.id), name=str(volume.name),
        size=int(volume.size) * model.GIB, project_id=volume.project_id,
        replicated=replicated)


class CinderVolumes:
    """Finds the Cinder volumes that back images."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def image_volume(self, volume_id: str) -> model.ImageVolume | None:
        """The volume, or None when Cinder has none of that id.

        :raises rbd_imgdriver.errors.ServiceError: when there is no database
        """
        try:
            with _database():
                volume = objects.Volume.get_by_id(self._context.elevated(),
                                                  volume_id)
        except exception.VolumeNotFound:
            return None
        return model.ImageVolume(
            id=str(volume.id), name=str(volume.name),
            image_owner=(volume.metadata or {}).get('image_owner'),
            encrypted=bool(volume.encryption_key_id))


def all_volumes() -> CinderVolumes:
    """Cinder's volumes, whoever asks."""
    return CinderVolumes(context.get_admin_context())


def volume_status(volume_id: str) -> str | None:
    """The status of a volume that Cinder's database knows, else None.

    A volume that was migrated while attached is in the cluster under its
    ``name_id``; it is found by that, too.

    :raises rbd_imgdriver.errors.ServiceError: when there is no database
    """
    admin = context.get_admin_context()
    with _database():
        for key in ('id', '_name_id'):
            found = objects.VolumeList.get_all(admin,
                                               filters={key: volume_id})
            if found:
                return str(found[0].status)
    return None


@contextlib.contextmanager
def _database() -> Iterator[None]:
    try:
        yield
    except (db_exception.DBError, sqlalchemy_exc.SQLAlchemyError,
            ImportError) as error:
        raise errors.ServiceError(
            f"Cinder's database cannot be read: {error}; see [database] "
            'connection in cinder.conf') from error


class CinderEvents:
    """Sends Cinder's notifications of its image-volume cache for ours.

    Names and payload are those of cinder/image/cache.py.

    :param backend_host: ``host@backend`` of the volume
    """

    def __init__(self, context: Any, backend_host: str) -> None:
        self._context = context
        self._host = backend_host

    def cache(self, action: str, image_id: str) -> None:
        """See :meth:`rbd_imgdriver.model.Events.cache`."""
        signals.send(signals.CacheEvent(action))
        self._send(f'image_volume_cache.{action}',
                   {'image_id': image_id, 'host': self._host})

    def _send(self, event: str, payload: dict[str, Any]) -> None:
        _notify(self._context, event, payload)


@utils.if_notifications_enabled
def _notify(context: Any, event: str, payload: dict[str, Any]) -> None:
    rpc.get_notifier('volume', CONF.host).info(context, event, payload)


def notify_made(context: Any, volume: Any, image_id: str,
                outcome: provision.Outcome) -> None:
    """Send the notification ``rbd_imgdriver.volume_from_image``.

    :param outcome: how the create went
    """
    _notify(context, 'rbd_imgdriver.volume_from_image', {
        'volume_id': str(volume.id), 'image_id': image_id,
        'host': volume.host, 'strategy': outcome.strategy,
        'declined': [{'strategy': name, 'code': answer.code,
                      'reason': answer.reason}
                     for name, answer in outcome.declined],
        'bytes_moved': outcome.bytes_moved, 'seconds': outcome.seconds})


def notify_flattened(backend_host: str, signal: signals.Flattened) -> None:
    """Send the notification ``rbd_imgdriver.flatten``.

    :param backend_host: ``host@backend``
    """
    _notify(context.get_admin_context(), 'rbd_imgdriver.flatten', {
        'host': backend_host, 'pool': signal.pool,
        'rbd_id': signal.image_id, 'seconds': signal.seconds})


_EXCEPTIONS: dict[type[errors.ImageError], Any] = {
    errors.ImageTooLarge: lambda e: exception.ImageUnacceptable(
        image_id=e.image_id, reason=e.reason),
    errors.ImageGone: lambda e: exception.ImageNotFound(image_id=e.image_id),
    errors.ImageUnsafe: lambda e: exception.ImageUnacceptable(
        image_id=e.image_id, reason=e.reason),
    errors.ImageDamaged: lambda e: exception.ImageDownloadFailed(
        image_href=e.image_id, reason=e.reason),
    errors.DownloadFailed: lambda e: exception.ImageDownloadFailed(
        image_href=e.image_id, reason=e.reason),
    errors.SignatureInvalid: lambda e: (
        exception.ImageSignatureVerificationException(reason=e.reason)),
    errors.ConversionDisabled: lambda e: exception.ImageConversionNotAllowed(
        image_id=e.image_id, reason=e.reason),
    errors.NoTemporarySpace: lambda e: exception.ImageTooBig(
        image_id=e.image_id, reason=e.reason),
    errors.ConversionFailed: lambda e: exception.ImageCopyFailure(
        reason=e.reason),
}

_DETAIL = message_field.Detail
_MESSAGES = {
    errors.SignatureInvalid: _DETAIL.SIGNATURE_VERIFICATION_FAILED,
    errors.ConversionDisabled: _DETAIL.IMAGE_FORMAT_UNACCEPTABLE,
    errors.ImageUnsafe: _DETAIL.IMAGE_FORMAT_UNACCEPTABLE,
    errors.NoTemporarySpace: _DETAIL.NOT_ENOUGH_SPACE_FOR_IMAGE,
}


def cinder_error(error: errors.ImageError) -> exception.CinderException:
    """Cinder's own exception for what ends a create."""
    make = _EXCEPTIONS.get(type(error))
    if make is None:
        return exception.VolumeBackendAPIException(data=str(error))
    return make(error)


def tell_user(context: Any, volume_id: str, error: errors.ImageError,
              raised: exception.CinderException,
              reimage: bool = False) -> None:
    """Leave the message that Cinder's own flow would have left.

    :param reimage: the volume was there before
    """
    detail = _MESSAGES.get(type(error))
    if detail is None or (
            reimage and isinstance(error, errors.ConversionDisabled)):
        return  # the manager's reimage() tells of that one
    action = (message_field.Action.REIMAGE_VOLUME if reimage
              else message_field.Action.COPY_IMAGE_TO_VOLUME)
    message_api.API().create(context, action, resource_uuid=volume_id,
                             detail=detail, exception=raised)


def encryption_of(context: Any, volume: Any) -> luks.Encryption:
    """How a volume is to be encrypted, as Cinder's RBD driver finds it.

    :raises cinder.exception.CinderException: when its type is no good
    """
    facts = volume_utils.check_encryption_provider(volume, context)
    key = key_manager.API(CONF).get(context, facts['encryption_key_id'])
    secret = key.get_encoded()
    if not secret:
        raise exception.VolumeDriverException(
            message=f'The encryption key of volume {volume.id} is empty')
    cipher = image_utils.decode_cipher(facts['cipher'], facts['key_size'])
    return luks.Encryption(
        passphrase=secret.hex(), cipher_alg=cipher['cipher_alg'],
        cipher_mode=cipher['cipher_mode'], ivgen_alg=cipher['ivgen_alg'])


def _iso(when: Any) -> str:
    return when.isoformat() if hasattr(when, 'isoformat') else str(when or '')
