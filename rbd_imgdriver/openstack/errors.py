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
"""Translates our errors into Cinder's exceptions and user messages."""

from collections.abc import Iterator
import contextlib
from typing import Any

from cinder import exception
from cinder.message import api as message_api
from cinder.message import message_field
from oslo_log import log as logging

from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver import errors
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver import undo

LOG = logging.getLogger(__name__)

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
    # Not one that Cinder tries again on another host.
    errors.SourceTooSlow: lambda e: exception.ImageCopyFailure(
        reason=e.reason),
    errors.ImageEmpty: lambda e: exception.ImageUnacceptable(
        image_id=e.image_id, reason=e.reason),
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
    errors.ImageEmpty: _DETAIL.DRIVER_FAILED_CREATE,
    errors.SourceTooSlow: _DETAIL.DRIVER_FAILED_CREATE,
    errors.NoTemporarySpace: _DETAIL.NOT_ENOUGH_SPACE_FOR_IMAGE,
}


@contextlib.contextmanager
def translated(context: Any = None, volume_id: str | None = None,
               reimage: bool = False) -> Iterator[None]:
    """Raise Cinder's exceptions for ours; Cinder's own pass.

    :param volume_id: of a volume whose user gets a message; None: Cinder's
        own flow sends one
    :param reimage: the volume was there before
    """
    try:
        yield
    except errors.ImageError as error:
        raised = _cinder_error(error)
        if volume_id is not None:
            _message(context, volume_id, error, raised, reimage)
        raise raised from error
    except (ceph_errors.CephError, confined.Failed) as error:
        LOG.error('%s', undo.explained(error))
        raise exception.VolumeBackendAPIException(data=str(error)) from error


def _cinder_error(error: errors.ImageError) -> exception.CinderException:
    """Cinder's own exception for what ends a create."""
    make = _EXCEPTIONS.get(type(error))
    if make is None:
        return exception.VolumeBackendAPIException(data=str(error))
    return make(error)


def _message(context: Any, volume_id: str, error: errors.ImageError,
             raised: exception.CinderException, reimage: bool) -> None:
    """Leave the message that Cinder's own flow would have left."""
    detail = _MESSAGES.get(type(error))
    if detail is None or (
            reimage and isinstance(error, errors.ConversionDisabled)):
        return  # the manager's reimage() reports that one
    action = (message_field.Action.REIMAGE_VOLUME if reimage
              else message_field.Action.COPY_IMAGE_TO_VOLUME)
    message_api.API().create(context, action, resource_uuid=volume_id,
                             detail=detail, exception=raised)


def report_client(volume: Any) -> None:
    """Leave a message that a volume could not be deleted while it is open.

    Cinder makes the volume available again without a word.  It has no
    message about deletion; this one says "update attachment: Failed to detach
    volume", which is what is the matter.
    """
    message_api.API().create(
        volume._context, message_field.Action.UPDATE_ATTACHMENT,
        resource_uuid=volume.id, detail=_DETAIL.DETACH_ERROR)
