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
"""What a golden ciphertext is, and what it is called: pure functions.

A golden ciphertext is the payload of a LUKS 1 container without its header:
the disk of an image, encrypted with a master key that only headers elsewhere
know.  Each volume of it is a clone with a header of its own.  There is one
for each project, image data, cipher and object size.
"""

from collections.abc import Mapping
import dataclasses
import enum
import hashlib

from rbd_imgdriver.cache import names
from rbd_imgdriver import model

_PREFIX = model.METADATA_PREFIX + 'cache/'
_PROJECT = _PREFIX + 'project'
_CIPHER = _PREFIX + 'cipher'
_FINGERPRINT = _PREFIX + 'luks_fingerprint'
_SIBLING = _PREFIX + 'sibling'

# Makes the name of one differ from that of the plain golden image.
_MARK = 'luks'
_DIGEST_LENGTH = 16


class Sharing(enum.Enum):
    """Which encrypted volumes of an image are clones of the same data."""

    OFF = 'off'
    PROJECT = 'project'
    VOLUME_TYPE = 'volume-type'


@dataclasses.dataclass(frozen=True)
class Kind:
    """For whom and how an image is encrypted.

    :param project: whose volumes share the ciphertext, and nobody else's
    :param volume_type: whose volumes share it, or '' for those of all types
    :param cipher: algorithm with its key size, mode and initialization vector
    :param order: log2 of the object size in bytes
    """

    project: str
    volume_type: str
    cipher: tuple[str, str, str]
    order: int


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the metadata of a golden ciphertext say.

    :param cipher: algorithm with its key size, mode and initialization vector
    :param fingerprint: of the headers that open it, see
        :attr:`rbd_imgdriver.importer.qemu.luks_header.Header.fingerprint`
    :param sibling: name of the volume's RBD image that was cloned from it
        last, or ''
    """

    project: str
    cipher: str
    fingerprint: str
    sibling: str


def name(image: model.Image, kind: Kind) -> str:
    """The name of the golden ciphertext of an image."""
    identity = repr((names.identity(image), dataclasses.astuple(kind)))
    digest = hashlib.sha256(identity.encode()).hexdigest()
    return f'{names.GOLDEN}{image.id}-{_MARK}{digest[:_DIGEST_LENGTH]}'


def metadata(kind: Kind, fingerprint: str) -> dict[str, str]:
    """What makes a golden image a ciphertext; nothing of it is secret."""
    return {_PROJECT: kind.project, _CIPHER: '-'.join(kind.cipher),
            _FINGERPRINT: fingerprint}


def used_by(image: str) -> dict[str, str]:
    """The metadata that remember the volume that was cloned last."""
    return {_SIBLING: image}


def facts(values: Mapping[str, str]) -> Facts | None:
    """What metadata say; None when they are not those of a ciphertext."""
    if _FINGERPRINT not in values:
        return None
    return Facts(values.get(_PROJECT, ''), values.get(_CIPHER, ''),
                 values[_FINGERPRINT], values.get(_SIBLING, ''))
