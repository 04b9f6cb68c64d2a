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
"""What no strategy could do: these end a create at once.

:mod:`rbd_imgdriver.openstack.errors` turns each into Cinder's own exception
and the user message that Cinder would have sent.
"""

from rbd_imgdriver import printable


class ImageError(Exception):
    """Root of the errors that end a create.

    :param image_id: Glance id of the image
    :param reason: one sentence naming the cause and the remedy
    """

    code = 'image-error'
    # Whether the image's data is at fault, so that every other create from
    # the same data fails as well, whoever asks for it.
    of_data = False

    def __init__(self, image_id: str, reason: str) -> None:
        # It may quote the image, qemu or a server.
        reason = printable.one_line(reason)
        super().__init__(f'image {image_id}: {reason}')
        self.image_id = image_id
        self.reason = reason


class ImageTooLarge(ImageError):
    """The image does not fit into the volume."""

    code = 'image-too-large'


class ImageGone(ImageError):
    """Glance no longer has the image, or not for this user."""

    code = 'image-gone'


class ImageUnsafe(ImageError):
    """The image's contents are not what is declared, or point outside."""

    code = 'image-unsafe'
    of_data = True


class ImageDamaged(ImageError):
    """The bytes received are not the image: hash, length or truncation."""

    code = 'image-damaged'
    of_data = True


class SignatureInvalid(ImageError):
    """The image's signature is missing parts or does not verify."""

    code = 'signature-invalid'
    of_data = True


class ConversionDisabled(ImageError):
    """The operator has disabled image conversion."""

    code = 'conversion-disabled'


class NoTemporarySpace(ImageError):
    """The image can never fit into the conversion directory."""

    code = 'no-temporary-space'


class HostUnusable(ImageError):
    """This host lets the driver have no temporary file."""

    code = 'host-unusable'


class ImageEmpty(ImageError):
    """The disk in the image has no bytes."""

    code = 'image-empty'


class ConversionFailed(ImageError):
    """The external converter failed, stalled or exceeded a limit."""

    code = 'conversion-failed'


class DownloadFailed(ImageError):
    """Glance did not deliver the image, after retries."""

    code = 'download-failed'


class SourceTooSlow(DownloadFailed):
    """Glance delivers the image, but never would to its end."""

    code = 'source-too-slow'


class VolumeExists(ImageError):
    """There is an RBD image of the new volume's name; it is left alone."""

    code = 'volume-exists'


class NoSpace(ImageError):
    """The pool is full."""

    code = 'no-space'


class BackendFailed(ImageError):
    """Ceph failed in a way that no other strategy could avoid."""

    code = 'backend-failed'


class ServiceError(Exception):
    """Another service cannot be asked, or refuses; the command line ends."""


class NotFound(ServiceError):
    """The other service has nothing of that name."""


def codes() -> list[str]:
    """The codes of all errors that end a create."""
    found, classes = set(), [ImageError]
    while classes:
        classes += (one := classes.pop()).__subclasses__()
        found.add(one.code)
    return sorted(found)
