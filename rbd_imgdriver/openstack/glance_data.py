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
"""An image's bytes and signature, from Glance through Cinder's client."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
from typing import Any

from cinder import exception
from cryptography import exceptions as crypto_exc
from cursive import signature_utils
from glanceclient import exc as glance_exc
from keystoneauth1 import exceptions as keystone_exc
from oslo_config import cfg
from oslo_log import log as logging

from rbd_imgdriver import errors
from rbd_imgdriver import model
from rbd_imgdriver.openstack import images

LOG = logging.getLogger(__name__)
CONF = cfg.CONF

# Seconds without a byte from Glance that break a download, where the
# operator has set no glance_request_timeout.
_READ_TIMEOUT = 60


class GlanceData:
    """An image's bytes from Glance, as the user who wants the volume.

    Not by ``GlanceImageService.download``: that computes the hash once more,
    in the thread that downloads, and cannot begin in the middle.

    :param image_service: Cinder's, of whose client this makes use
    """

    def __init__(self, context: Any, image_service: Any,
                 image_id: str) -> None:
        self._context = context
        self._image_service = image_service
        self._image_id = image_id

    def verifier(self) -> model.Verifier | None:
        """See :meth:`rbd_imgdriver.model.ImageData.verifier`.

        As Cinder's verify_glance_image_signature (cinder/image/
        image_utils.py): an image without any part of a signature passes.
        """
        if CONF.verify_glance_signatures == 'disabled':
            return None
        with _translated(self._image_id):
            image = self._image_service.show(self._context, self._image_id)
        properties = image.get('properties') or {}
        missing = [name for name in images.SIGNATURE
                   if not properties.get(name)]
        if len(missing) == len(images.SIGNATURE):
            return None
        if missing:
            raise errors.SignatureInvalid(
                self._image_id, 'parts of its signature are missing: '
                f'{", ".join(missing)}')
        try:
            verifier = signature_utils.get_verifier(
                self._context,
                *(properties[name] for name in (
                    'img_signature_certificate_uuid',
                    'img_signature_hash_method', 'img_signature',
                    'img_signature_key_type')))
        except Exception as error:
            # Key managers are plug-ins: Cinder's own raises a KeyError.
            raise errors.SignatureInvalid(
                self._image_id,
                f'its signature cannot be checked: {error}') from error
        return _Verifier(self._image_id, images.required_signature(image),
                         verifier)

    def read(self, offset: int = 0) -> Iterator[bytes]:
        """See :meth:`rbd_imgdriver.model.ImageData.read`.

        A Glance that does not know ranges sends all, of which the beginning
        is left out here; so does one that is asked for all because its store
        cannot begin in the middle (Cinder's and HTTP cannot).
        """
        with _translated(self._image_id):
            response, body = self._get_from(offset)
            with contextlib.closing(response):
                partial = response.status_code == 206
                yield from _skipped(body or iter(()), 0 if partial else offset)

    def _get_from(self, offset: int) -> tuple[Any, Any]:
        if not offset:
            return self._get()
        # glanceclient percent-encodes the values of headers, "=" included,
        # so that Glance refuses the range.  What signs requests may add
        # headers, too.
        by = 'requests_auth' if CONF.auth_strategy == 'keystone' else 'auth'
        try:
            return self._get(**{by: _begin_at(offset)})
        except glance_exc.HTTPException as error:
            if error.code not in (400, 416):
                raise
            LOG.info('Glance sends image %(image)s only from the beginning: '
                     '%(error)s', {'image': self._image_id, 'error': error})
            return self._get()

    def _get(self, **arguments: Any) -> tuple[Any, Any]:
        if CONF.auth_strategy == 'keystone' and (
                CONF.glance_request_timeout is None):
            arguments['timeout'] = _READ_TIMEOUT
        answer: tuple[Any, Any] = self._image_service._client.call(
            self._context, 'get', f'/v2/images/{self._image_id}/file',
            controller='http_client', **arguments)
        return answer


class _Verifier:
    """Reports a bad signature in our words."""

    def __init__(self, image_id: str, signature: str, verifier: Any) -> None:
        self.signature = signature
        self._image_id = image_id
        self._verifier = verifier
        self.update = verifier.update

    def verify(self) -> None:
        """See :meth:`rbd_imgdriver.model.Verifier.verify`."""
        try:
            self._verifier.verify()
        except crypto_exc.InvalidSignature as error:
            raise errors.SignatureInvalid(
                self._image_id, 'its data does not fit its signature'
            ) from error
        LOG.info('Image signature verification succeeded for image: %s',
                 self._image_id)


def _begin_at(offset: int) -> Callable[[Any], Any]:
    def add_range(request: Any) -> Any:
        request.headers['Range'] = f'bytes={offset}-'
        return request

    return add_range


def _skipped(chunks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The chunks without the first ``count`` bytes."""
    for chunk in chunks:
        if count >= len(chunk):
            count -= len(chunk)
            continue
        yield chunk[count:]
        count = 0


@contextlib.contextmanager
def _translated(image_id: str) -> Iterator[None]:
    try:
        yield
    except (exception.ImageNotFound, exception.ImageNotAuthorized,
            glance_exc.HTTPNotFound, glance_exc.HTTPForbidden) as error:
        raise errors.ImageGone(image_id, str(error)) from error
    except (exception.CinderException, glance_exc.BaseException,
            glance_exc.ClientException, keystone_exc.ClientException,
            OSError) as error:
        # requests' exceptions are OSErrors.
        raise errors.DownloadFailed(
            image_id, f'{type(error).__name__}: {error}') from error
