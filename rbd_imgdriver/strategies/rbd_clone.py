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
"""rbd-clone: a copy-on-write clone of Glance's own snapshot.

Prerequisites: the image is raw and not compressed, Glance shows a location
``rbd://`` on our cluster that may be believed (:mod:`rbd_imgdriver.trust`),
and our cephx user may read that pool (``profile rbd-read-only pool=images``
is enough).
"""

from collections.abc import Set

from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver import locations
from rbd_imgdriver import model
from rbd_imgdriver.strategies import base
from rbd_imgdriver.strategies import maker
from rbd_imgdriver import trust


class RbdClone:
    """Clones the snapshot behind an image's ``rbd://`` location.

    :param volumes: makes volumes from snapshots
    :param volume_pools: names of the pools that hold volumes
    """

    name = 'rbd-clone'

    def __init__(self, volumes: maker.Maker, volume_pools: Set[str]) -> None:
        self._volumes = volumes
        self._volume_pools = volume_pools

    def attempt(self,
                request: model.Request) -> model.Created | model.Declined:
        """Clone the first location that can be cloned."""
        image = request.image
        if not image.raw:
            return model.Declined(
                'not-raw', f'the image is {describe_format(image)}; only '
                'raw data can be cloned')
        if image.signature:
            return base.SIGNATURE_UNVERIFIED
        answer: model.Created | model.Declined = model.Declined(
            'no-location', 'Glance shows no rbd:// location')
        try:
            for found in trust.rbd_locations(image, self._volumes.pool.fsid,
                                             self._volume_pools):
                answer = (found if isinstance(found, model.Declined)
                          else self._from_location(request, found))
                if isinstance(answer, model.Created):
                    break
        except ceph_errors.CephError as error:
            return base.declined_by(request, error)  # which cluster it is
        return answer

    def _from_location(
            self, request: model.Request,
            location: locations.RbdLocation) -> model.Created | model.Declined:
        try:
            return model.Created(parent=self._volumes.make(
                request, clones.SnapshotSpec.at(location),
                request.record(self.name), of_glance=True))
        except ceph_errors.CephError as error:
            return base.declined_by(request, error)


def describe_format(image: model.Image) -> str:
    """How an image is stored, in words."""
    if image.container_format == 'compressed':
        return f'compressed {image.disk_format}'
    return image.disk_format or 'of no declared format'
