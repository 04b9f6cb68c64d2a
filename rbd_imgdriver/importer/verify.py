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
"""Whether the bytes that arrived are the image."""

from collections.abc import Callable
import hashlib
from typing import Protocol

from rbd_imgdriver import errors
from rbd_imgdriver import model


class Verifier(Protocol):
    """Checks a signature; cursive's are of this shape."""

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        ...

    def verify(self) -> None:
        """Raise when the signature does not fit."""
        ...


class Digest:
    """The image's own hash over the bytes that pass by.

    ``os_hash_value`` counts, else ``checksum`` (MD5); an image may have
    neither, then only its length is known.

    :raises errors.ImageDamaged: when Glance's algorithm is unknown here and
        there is no checksum either
    """

    def __init__(self, image: model.Image) -> None:
        self._image_id = image.id
        self._expected = ''
        self._hash = None
        known = image.hash_algo in hashlib.algorithms_available
        if image.hash_value and image.hash_algo and known:
            self._expected = image.hash_value.lower()
            self._hash = hashlib.new(image.hash_algo)
        elif image.checksum:
            self._expected = image.checksum.lower()
            self._hash = hashlib.new('md5', usedforsecurity=False)
        elif image.hash_value:
            raise errors.ImageDamaged(
                image.id, f'its hash is {image.hash_algo}, which this host '
                'cannot compute, and it has no checksum')

    @property
    def update(self) -> Callable[[bytes], None] | None:
        """What takes the bytes, or None when there is nothing to compute."""
        return self._hash.update if self._hash is not None else None

    def check(self) -> None:
        """Compare.

        :raises errors.ImageDamaged: when the hashes differ
        """
        if self._hash is None:
            return
        found = self._hash.hexdigest()
        if found != self._expected:
            raise errors.ImageDamaged(
                self._image_id, f'the {self._hash.name} of its data is '
                f'{found} instead of {self._expected}; the data was changed '
                'or damaged on its way')
