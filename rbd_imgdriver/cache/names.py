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
"""How the cache names its images: pure functions.

``image-cache-<image id>-<digest>`` is a complete golden image; a name with
``.partial-`` before it and an attempt's own ending is one being written.
"""

import hashlib

from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model

GOLDEN = model.GOLDEN_PREFIX
PARTIAL = temporary.PREFIX
SNAPSHOT = model.GOLDEN_SNAPSHOT
_DIGEST_LENGTH = 12


def identity(image: model.Image) -> str:
    """What the image's data is, for ever: its hash if Glance knows one.

    An image's data never changes once it is active, but its id may be used
    again after it was deleted.  Without any hash the time of the last change
    stands in, which costs an import after a mere rename.
    """
    if image.hash_value:
        return f'{image.hash_algo}:{image.hash_value}'
    if image.checksum:
        return f'md5:{image.checksum}'
    return f'updated_at:{image.updated_at}'


def golden(image: model.Image) -> str:
    """The name of the golden image that holds the image's data."""
    kind, _, value = identity(image).partition(':')
    if kind == 'updated_at':
        value = hashlib.sha256(value.encode()).hexdigest()
    return f'{GOLDEN}{image.id}-{value[:_DIGEST_LENGTH]}'


def internal(name: str) -> bool:
    """Whether an RBD image is the driver's own, and nobody's volume."""
    return name.startswith((GOLDEN, PARTIAL))


def image_id_of(golden_name: str) -> str:
    """Glance's id of the image that a golden image is of."""
    return golden_name.removeprefix(GOLDEN).rpartition('-')[0]
