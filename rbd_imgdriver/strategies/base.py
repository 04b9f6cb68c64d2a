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
"""What a strategy is, and how it answers an error of Ceph."""

from typing import NoReturn
from typing import Protocol

from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver import errors
from rbd_imgdriver import model
from rbd_imgdriver import undo

# Only an import reads all of the data.
SIGNATURE_UNVERIFIED = model.Declined(
    'signature-unverified', 'the image is signed, and nobody has checked the '
    'signature of this data yet')


class Strategy(Protocol):
    """One way to make a volume from an image.

    An attempt either makes the volume or leaves the pool as it was.
    """

    name: str

    def attempt(self,
                request: model.Request) -> model.Created | model.Declined:
        """Try to make the volume.

        :raises rbd_imgdriver.errors.ImageError: for what no other strategy
            could do either
        """
        ...


# What strategies decline with, beside Ceph's errors.
CODES = ('cache-full', 'cache-off', 'clones-off', 'encrypted',
         'malformed-location', 'mirrored', 'name-taken', 'no-clones',
         'no-header', 'no-key', 'no-location', 'no-room-for-header',
         'no-sibling', 'no-volume', 'not-allowed', 'not-cached', 'not-owner',
         'not-raw', 'not-the-image', 'pool-of-volumes',
         'signature-unverified', 'volume-of-tenant', 'writable',
         'wrong-cluster')


def codes() -> list[str]:
    """All codes that a strategy may decline with."""
    return sorted({*CODES, *ceph_errors.codes()})


def declined_by(request: model.Request,
                error: ceph_errors.CephError) -> model.Declined:
    """What Ceph's refusal means: the next strategy may do better, or none.

    :raises rbd_imgdriver.errors.ImageError: when none would
    """
    image_id = request.image.id
    if isinstance(error, clones.SourceTooLarge):
        raise errors.ImageTooLarge(
            image_id, f'it has {error.size} bytes and the volume only '
            f'{request.target.size}') from error
    if isinstance(error, ceph_errors.ImageExists):
        _volume_exists(request, error)
    if isinstance(error, ceph_errors.NoSpace):
        raise errors.NoSpace(
            image_id, f'the pool has no room for it: {error}') from error
    return model.Declined(error.code, undo.explained(error))


def _volume_exists(request: model.Request,
                   error: ceph_errors.CephError) -> NoReturn:
    raise errors.VolumeExists(
        request.image.id, f'RBD image {request.target.name} exists already; '
        'it was left alone, remove it if nothing needs it') from error
