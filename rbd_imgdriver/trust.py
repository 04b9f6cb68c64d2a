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
"""Whether a location of an image may be believed.

Where Glance runs with ``show_multiple_locations``, members of a project may
set any URL as a location of their own image (policy ``set_image_location``:
ADMIN_OR_PROJECT_MEMBER, glance/policies/image.py).  Glance does not check
that the data behind it is theirs.  So a location is a claim; it counts only if
the RBD image, or the Cinder volume, says itself that it is that image, by
what no tenant can set.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Set
import dataclasses

from rbd_imgdriver import locations
from rbd_imgdriver import model

# What Glance's RBD store calls the snapshot that it makes of each image
# (DEFAULT_SNAPNAME in glance_store/_drivers/rbd.py), and Nova likewise when
# it makes an image of a server's disk (nova/virt/libvirt/imagebackend.py).
GLANCE_SNAPSHOT = 'snap'


@dataclasses.dataclass(frozen=True)
class RbdClaim:
    """The claim that a snapshot in Ceph is the image.

    :param fsid: of our cluster
    :param volume_pools: the pools that hold volumes and no images
    """

    location: locations.RbdLocation
    fsid: str
    volume_pools: Set[str]


@dataclasses.dataclass(frozen=True)
class CinderClaim:
    """The claim that a Cinder volume is the image.

    :param volume: the volume of the location
    :param project_id: who wants a volume of the image
    """

    volume: model.ImageVolume
    project_id: str | None


def objection(image: model.Image,
              claim: RbdClaim | CinderClaim) -> model.Declined | None:
    """Why a location of the image must not be followed; None if it may.

    The id of an image cannot be forged: Glance gives each id once.
    """
    if isinstance(claim, RbdClaim):
        return _rbd(image, claim)
    return _cinder(image, claim)


def rbd_locations(
        image: model.Image, fsid: Callable[[], str], volume_pools: Set[str],
) -> Iterator[locations.RbdLocation | model.Declined]:
    """The image's locations in our cluster that may be followed, in order.

    In the place of another one in Ceph comes why it must not be followed.

    :param fsid: of our cluster; asked only if the image has such a location
    :param volume_pools: the pools that hold volumes and no images
    """
    for url in image.locations:
        location = locations.parse(url)
        if isinstance(location, locations.RbdLocation):
            yield _rbd(image, RbdClaim(location, fsid(),
                                       volume_pools)) or location
        elif isinstance(location, locations.Malformed) and location.is_rbd:
            yield model.Declined('malformed-location',
                                 f'{url}: {location.reason}')


def _rbd(image: model.Image, claim: RbdClaim) -> model.Declined | None:
    """Glance names RBD images by the image's id; nobody else does.

    Nova's disks are ``<id of the server>_disk``.  Cinder's volumes have the
    name that ``volume_name_template`` gives them, which could be a bare id:
    hence the pools.  Tenants may choose the ids of their images.
    """
    location = claim.location
    if location.fsid != claim.fsid:
        return model.Declined(
            'wrong-cluster', f'{location} is in the cluster {location.fsid}, '
            f'the volume goes to {claim.fsid}')
    if location.pool in claim.volume_pools:
        return model.Declined(
            'pool-of-volumes', f'{location} is in a pool of volumes: it may '
            'belong to any tenant')
    if (location.image, location.snapshot) != (image.id, GLANCE_SNAPSHOT):
        return model.Declined(
            'not-the-image', f'{location} is not what Glance calls image '
            f'{image.id}: it may hold anybody\'s data')
    return None


def _cinder(image: model.Image, claim: CinderClaim) -> model.Declined | None:
    """Glance and Cinder mark a volume with the image that they make it for.

    The marks are metadata, which the volume's owner may set: they count in
    the projects of the services, and for the volumes of the image's owner.
    A volume may change hands with its metadata; so no mark counts on the
    volume of any other project.
    """
    volume = claim.volume
    if volume.image_id != image.id:
        return model.Declined(
            'not-the-image', f'volume {volume.id} is not marked as image '
            f'{image.id}: it may hold anybody\'s data')
    if not _owned(image, volume):
        return model.Declined(
            'not-owner', f'volume {volume.id} belongs neither to the owner '
            'of the image nor, marked with that owner, to a service')
    if not volume.read_only:
        return model.Declined(
            'writable', f'volume {volume.id} can be attached for writing: '
            'it may no longer hold the image')
    # Its owner can make the volume writable, and read-only again.
    kept = volume.of_service or image.public
    if not kept and claim.project_id != image.owner:
        return model.Declined(
            'volume-of-tenant', f'volume {volume.id} belongs to the tenant '
            'who owns the image, and who could have changed it since')
    return None


def _owned(image: model.Image, volume: model.ImageVolume) -> bool:
    if image.owner is None:
        return False
    if volume.of_service:
        return volume.image_owner == image.owner
    return volume.project_id == image.owner
