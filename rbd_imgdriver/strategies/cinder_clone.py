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
"""cinder-clone: a clone of the Cinder volume that backs an image.

Prerequisites: the image is raw, ``cinder`` is in Cinder's
``allowed_direct_url_schemes``, Glance shows a ``cinder://`` location, its
volume may be believed to be the image (:mod:`rbd_imgdriver.trust`), and is in
a pool of our cluster.  That rule is stricter than the one of
``_clone_image_volume`` in Cinder's volume/flows/manager/create_volume.py,
which asks for the image's owner only.

An image's data never changes, so one snapshot of the image volume serves all
volumes of that image.  Its name is kept in the image volume's metadata,
under the image's id.  It ends in ``.clone_snap``, as those of Cinder's
driver do, so that after a switch back that driver knows what it is.
"""

from typing import Protocol

from oslo_log import log as logging

from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.chain import names
from rbd_imgdriver import locations
from rbd_imgdriver import model
from rbd_imgdriver.strategies import base
from rbd_imgdriver.strategies import maker
from rbd_imgdriver import trust
from rbd_imgdriver import undo

LOG = logging.getLogger(__name__)

SNAPSHOT_KEY = model.METADATA_PREFIX + 'image-snapshot/'


class Cloner(Protocol):
    """What is needed of :class:`rbd_imgdriver.chain.clone.Cloner`."""

    def snapshot(self, pool: parts.Pool, image: str,
                 snapshot: str) -> None:
        """Make a snapshot to clone."""
        ...

    def limit_depth(self, image: str) -> None:
        """Flatten a new volume that is deeper than allowed."""
        ...


class CinderClone:
    """Clones the volume behind an image's ``cinder://`` location.

    :param volumes: makes volumes from snapshots
    :param allowed: whether ``allowed_direct_url_schemes`` has ``cinder``
    :param cloner: keeps chains within ``rbd_max_clone_depth``
    """

    name = 'cinder-clone'

    def __init__(self, volumes: maker.Maker, allowed: bool,
                 cloner: Cloner) -> None:
        self._volumes = volumes
        self._allowed = allowed
        self._cloner = cloner

    def attempt(self,
                request: model.Request) -> model.Created | model.Declined:
        """Clone the first image volume that can be cloned."""
        image = request.image
        if not self._allowed:
            return model.Declined(
                'not-allowed', 'cinder is not in allowed_direct_url_schemes')
        if not image.raw or image.container_format != 'bare':
            return model.Declined('not-raw', 'only raw, bare images are '
                                  'backed by a volume that can be cloned')
        if image.signature:
            return base.SIGNATURE_UNVERIFIED
        answer: model.Created | model.Declined = model.Declined(
            'no-location', 'Glance shows no cinder:// location')
        for url in image.locations:
            location = locations.parse(url)
            if isinstance(location, locations.CinderLocation):
                answer = self._from_volume(request, location.volume_id)
            elif (isinstance(location, locations.Malformed)
                    and not location.is_rbd):
                answer = model.Declined('malformed-location',
                                        f'{url}: {location.reason}')
            if isinstance(answer, model.Created):
                break
        return answer

    def _from_volume(self, request: model.Request,
                     volume_id: str) -> model.Created | model.Declined:
        volume = request.volumes.image_volume(volume_id)
        if volume is None:
            return model.Declined('no-volume',
                                  f'Cinder has no volume {volume_id}')
        objection = trust.objection(request.image, trust.CinderClaim(
            volume, request.target.project_id))
        if objection is not None:
            return objection
        if volume.encrypted:
            return model.Declined('encrypted',
                                  f'volume {volume_id} is encrypted')
        try:
            source = self._volumes.pool.holding(volume.name)
            if source is None:
                return model.Declined(
                    'wrong-cluster', f'no pool of this cluster that we may '
                    f'read holds {volume.name}')
            return self._clone(request, source, volume.name)
        except ceph_errors.CephError as error:
            return base.declined_by(request, error)

    def _clone(self, request: model.Request, source: parts.Pool,
               image: str) -> model.Created:
        key = SNAPSHOT_KEY + request.image.id
        found = source.headers.summary(image)
        known = found.metadata.get(key)
        if known is not None:
            try:
                return self._clone_snapshot(request, source, image, known,
                                            found.is_clone)
            except ceph_errors.SnapshotNotFound:
                pass  # removed with its last child; make a new one
        # Not after the new volume: after a switch back, Cinder's driver
        # would look for the parent in the new volume's pool.
        snapshot = names.clone_snapshot(request.image.id)
        try:
            self._cloner.snapshot(source, image, snapshot)
        except ceph_errors.SnapshotExists:
            # An attempt that was cut short has left it; the data is the same.
            return self._clone_snapshot(request, source, image, snapshot,
                                        found.is_clone)
        with undo.on_error(
                f'snapshot {image}@{snapshot}',
                lambda: source.snapshots.remove(image, snapshot)):
            created = self._clone_snapshot(request, source, image, snapshot,
                                           found.is_clone)
        self._remember(source, image, key, snapshot)
        return created

    @staticmethod
    def _remember(source: parts.Pool, image: str, key: str,
                  snapshot: str) -> None:
        """Note the snapshot for the next create; the volume is made."""
        try:
            source.headers.update(image, {key: snapshot})
        except ceph_errors.CephError as error:
            LOG.warning('The snapshot %(snapshot)s could not be recorded on '
                        '%(image)s: %(error)s',
                        {'image': image, 'snapshot': snapshot,
                         'error': error})

    def _clone_snapshot(self, request: model.Request, source: parts.Pool,
                        image: str, snapshot: str,
                        deep: bool) -> model.Created:
        """Make the volume.

        :param deep: whether the image has ancestors: of one that has none,
            which no image gets later, a clone has one
        """
        parent = self._volumes.make(
            request, clones.SnapshotSpec(source.name, image, snapshot),
            request.record(self.name))
        if parent and deep:
            self._cloner.limit_depth(request.target.name)
        return model.Created(parent=parent)
