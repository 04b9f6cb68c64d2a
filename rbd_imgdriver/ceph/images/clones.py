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
"""Copy-on-write clones: made, finished, and cut from their parents.

One method makes the clone and all that a clone needs.
"""

from collections.abc import Mapping
import dataclasses
from typing import Any

import rbd

from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import attempts
from rbd_imgdriver.ceph.images import flatten
from rbd_imgdriver.ceph.images import inheritance
from rbd_imgdriver.ceph.images import layouts
from rbd_imgdriver.ceph.images import lifecycle
from rbd_imgdriver.ceph.images import object_maps
from rbd_imgdriver.ceph.images import parents
from rbd_imgdriver.ceph.images import probe
from rbd_imgdriver.ceph import native
from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver import locations
from rbd_imgdriver import printable
from rbd_imgdriver import undo


@dataclasses.dataclass(frozen=True)
class SnapshotSpec:
    """A snapshot of an image, by names."""

    pool: str
    image: str
    snapshot: str

    @classmethod
    def at(cls, location: locations.RbdLocation) -> 'SnapshotSpec':
        """The snapshot that a location of an image names."""
        return cls(location.pool, location.image, location.snapshot)

    def __str__(self) -> str:
        return printable.one_line(
            f'{self.pool}/{self.image}@{self.snapshot}')


@dataclasses.dataclass(frozen=True)
class CloneSpec:
    """The clone that is wanted.

    :param parent: the snapshot to clone
    :param name: name of the new image
    :param size: its size in bytes, at least the parent's; None: as parent
    :param order: log2 of its object size in bytes; the parent's is the
        least, and 0 means the parent's
    :param metadata: image metadata to set on it
    :param id_key: a key of more metadata, whose value is the new image's id
    :param parent_id_key: a metadata key under which the parent has to carry
        its own id: whatever else has its name is not cloned
    """

    parent: SnapshotSpec
    name: str
    size: int | None = None
    order: int = 0
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    id_key: str | None = None
    parent_id_key: str | None = None

    def metadata_of(self, id_: str) -> dict[str, str]:
        """The metadata of the new image.

        :param id_: its id
        """
        own = {self.id_key: id_} if self.id_key else {}
        return {**self.metadata, **own}


class SourceTooLarge(errors.CephError):
    """The source is larger than the new image may be.

    :param source: image or snapshot, for people
    :param size: of the source in bytes
    :param wanted: of the new image in bytes
    """

    code = 'image-too-large'

    def __init__(self, source: SnapshotSpec | str, size: int,
                 wanted: int) -> None:
        super().__init__(
            f'{source} has {size} bytes, which do not fit into the {wanted} '
            'bytes of the new volume; ask for a larger one')
        self.size = size


class Clones(native.Part):
    """The clones of a pool."""

    def __init__(self, cluster: connection.Cluster, name: str) -> None:
        super().__init__(cluster, name)
        self._parents = parents.Parents()

    def clone(self, spec: CloneSpec) -> str:
        """Clone a snapshot of any pool of the cluster into this pool.

        On failure nothing of the new image is left, unless Ceph no longer
        answers; the first error is the one that is raised.

        :returns: the id of the new image
        :raises SourceTooLarge: when ``spec.size`` is less than the parent's
        :raises errors.ImageNotFound: when there is no such parent, or
            another image has its name
        :raises errors.SnapshotNotFound: when the parent has no such snapshot,
            or with clones of format 1 one that is not protected
        :raises errors.ImageExists: when the new image's name is taken
        :raises errors.CephError: when Ceph refuses for another reason
        """
        return self._clone(spec, attempts.Attempt())

    def copy(self, spec: CloneSpec) -> str:
        """Make a full, independent copy of a snapshot in this pool.

        A clone that is flattened at once: librbd's fastest way, and it reads
        only what the source holds.  Result and errors as of :meth:`clone`.
        """
        return self._copy(spec, attempts.Attempt())

    @native.in_native_thread
    def _clone(self, spec: CloneSpec, attempt: attempts.Attempt,
               without: int = 0) -> str:
        try:
            return self._clone_once(spec, attempt, without)
        except parents.AnotherParent:
            self._parents.note(spec.parent, None)
            return self._clone_once(spec, attempt, without)

    def _clone_once(self, spec: CloneSpec, attempt: attempts.Attempt,
                    without: int) -> str:
        source, target = self.cluster.ioctx(spec.parent.pool), self._ioctx
        features = layouts.features(self.cluster) & ~without
        known, asked = None, ('', 0)
        if spec.order:
            known = self._parents.get(spec.parent)
            asked = known.objects if known else parents.objects(
                source, spec.parent.image)

        def is_ours(id_: str) -> bool:
            return _is_clone_of(source, target, id_, spec.parent)

        attempt.claim(target, spec.name, is_ours)
        if self.cluster.clone_format == 1:
            _check_protected(source, spec.parent)
        try:
            lifecycle.with_free_id(
                lambda: _clone(source, target, spec, features,
                               max(spec.order, asked[1]) or None))
        except errors.ImageExists:
            raise  # whoever was faster, it is not ours to remove
        except errors.CephError as error:
            # If it timed out it may have happened all the same.
            with undo.on_error(f'image {spec.name}', lambda: attempt.undo(
                    target, spec.name, is_ours)):
                if known and isinstance(error, errors.InvalidArgument):
                    # Its objects may be larger than those that were known.
                    raise parents.AnotherParent from error
                raise
        id_ = attempt.image_id = header.image_id(target, spec.name)
        with undo.on_error(f'image {spec.name}', lambda: attempts.remove(
                target, spec.name, id_)):
            found = _finish(target, id_, spec, known)
        if found is not None and found[0].image_id == asked[0]:
            ref, size = found
            self._parents.note(spec.parent,
                               parents.Parent(ref, asked[1], size))
        return id_

    @native.in_native_thread
    def _copy(self, spec: CloneSpec, attempt: attempts.Attempt) -> str:
        ioctx = self._ioctx
        maps = layouts.features(self.cluster) & object_maps.FEATURES
        id_ = self._clone(spec, attempt, maps)
        with undo.on_error(f'image {spec.name}', lambda: attempts.remove(
                ioctx, spec.name, id_)):
            flatten.flatten(ioctx, id_, flatten.Progress(), is_new=True,
                            features=maps)
        return id_

    @native.in_native_thread
    def restore_object_maps(self, id_: str,
                            progress: flatten.Progress) -> None:
        """Finish a flatten; see :func:`.flatten.restore_object_maps`."""
        flatten.restore_object_maps(self._ioctx, id_, progress)

    @native.in_native_thread
    def flatten(self, id_: str, progress: flatten.Progress,
                is_new: bool = False) -> None:
        """Copy what a clone reads from its parent into the clone.

        See :func:`.flatten.flatten`.

        :param id_: the image's internal id; names change meanwhile
        """
        flatten.flatten(self._ioctx, id_, progress, is_new)

    @native.in_native_thread
    def probe(self, name: str, snapshot: str) -> int:
        """Make, clone and remove an image; see :func:`probe.clones`."""
        return probe.clones(self._ioctx, name, snapshot,
                            layouts.features(self.cluster))


def _is_clone_of(source: Any, target: Any, id_: str,
                 parent: SnapshotSpec) -> bool:
    """Whether an image that has just appeared is the clone of a parent."""
    ref = header.parent_spec(target, id_)
    return ref is not None and (
        (ref.pool_id, ref.namespace, ref.image_id)
        == (source.get_pool_id(), '', header.image_id(source, parent.image)))


def _clone(source: Any, target: Any, spec: CloneSpec, features: int,
           order: int | None) -> None:
    parent = spec.parent
    try:
        with errors.translated(f'clone of {parent} to {spec.name}'):
            rbd.RBD().clone(source, parent.image, parent.snapshot, target,
                            spec.name, features=features, order=order)
    except errors.ImageNotFound as error:
        # Either the image is missing, which this says, or its snapshot.
        header.image_id(source, parent.image)
        raise errors.SnapshotNotFound(str(error)) from error
    except errors.InvalidArgument as error:
        if not _is_protected(source, parent):
            raise errors.SnapshotUnprotected(str(error)) from error
        raise


def _check_protected(source: Any, parent: SnapshotSpec) -> None:
    if not _is_protected(source, parent):
        raise errors.SnapshotUnprotected(
            f'snapshot {parent} is not protected')


def _is_protected(source: Any, parent: SnapshotSpec) -> bool:
    with errors.translated(f'protection of {parent}'), \
            rbd.Image(source, parent.image, read_only=True) as image, \
            errors.translated(f'protection of {parent}',
                              errors.SnapshotNotFound):
        return bool(image.is_protected_snap(parent.snapshot))


def _finish(target: Any, id_: str, spec: CloneSpec,
            known: parents.Parent | None,
            ) -> tuple[header.ParentRef, int] | None:
    """Make a clone what was asked for.

    :param known: the parent that it should have, of a spec with an order
    :returns: the parent that it has and its size, where both were asked for
    :raises parents.AnotherParent: when it has another one
    """
    inherited = header.metadata(target, id_)
    ref = None
    if spec.order or spec.parent_id_key is not None:
        ref = header.parent_spec(target, id_)
    # The clone has inherited what its very parent carried: no name is looked
    # up twice, and nothing but the clone is read.
    if spec.parent_id_key is not None and (
            ref is None or inherited.get(spec.parent_id_key) != ref.image_id):
        raise errors.ImageNotFound(
            f'{spec.parent} is not the image that is meant: it does not '
            f'carry its id under {spec.parent_id_key}')
    if known is not None and known.ref != ref:
        raise parents.AnotherParent
    inheritance.replace(target, id_, inherited, spec.metadata_of(id_))
    if spec.size is None:
        return None
    size = known.size if known else header.size(target, id_)[0]
    if size > spec.size:
        raise SourceTooLarge(spec.parent, size, spec.size)
    if size < spec.size:
        with errors.translated(f'resize of {spec.name}'), \
                rbd.Image(target, image_id=id_) as image:
            image.resize(spec.size)
    return (ref, size) if ref else None
