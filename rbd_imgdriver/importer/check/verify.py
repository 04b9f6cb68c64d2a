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

from rbd_imgdriver import errors
from rbd_imgdriver import model


class Proof:
    """The image's own hash and signature over the bytes that pass by.

    ``os_hash_value`` counts, else ``checksum`` (MD5); an image may have
    neither, then only its length is known.

    :param verifier: of the image's signature, or None
    :raises errors.ImageDamaged: when Glance's algorithm is unknown here and
        there is no checksum either
    """

    def __init__(self, image: model.Image,
                 verifier: model.Verifier | None) -> None:
        self._image_id = image.id
        self._verifier = verifier
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
    def signed(self) -> bool:
        """Whether the image has a signature that has to fit."""
        return self._verifier is not None

    @property
    def consumers(self) -> list[Callable[[bytes], object]]:
        """What has to be given all of the bytes, in order."""
        consumers: list[Callable[[bytes], object]] = []
        if self._hash is not None:
            consumers.append(self._hash.update)
        if self._verifier is not None:
            consumers.append(self._verifier.update)
        return consumers

    def check(self) -> None:
        """Compare, after the last byte.

        :raises errors.ImageDamaged: when the hashes differ
        :raises errors.SignatureInvalid: when the signature does not fit
        """
        if self._hash is not None and self._hash.hexdigest() != (
                self._expected):
            raise errors.ImageDamaged(
                self._image_id, f'the {self._hash.name} of its data is '
                f'{self._hash.hexdigest()} instead of {self._expected}; the '
                'data was changed or damaged on its way')
        if self._verifier is not None:
            self._verifier.verify()
