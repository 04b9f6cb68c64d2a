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
"""Proof that nobody has written to an image since a certain moment.

Fast-diff is not such a proof: a rollback copies the old snapshot's object map
over the head's, marks of unchanged objects included, and so a reverted volume
looks unchanged since a snapshot that holds other data.

The witness is the RADOS version of the object map ``rbd_object_map.<id>``,
which the OSD raises with every change of that object and never sets back.
On an image with the features exclusive-lock and object-map:

* a client that writes, discards, resizes, rolls back, flattens or takes a
  snapshot needs the image's exclusive lock;
* a client that gets that lock locks the object map before anything else,
  which changes it (``object_map/RefreshRequest.cc`` of librbd,
  ``rbd_object_map_lock()`` of the kernel's client);
* switching object-map off removes the object, and a new one has a higher
  version.

So the version stays the same only while nobody gets the lock; what the map
says, and whether it is right, does not matter.  It remains to show that
nobody *had* the lock when the version was noted:

* for a snapshot (:func:`seal`) it is noted while we hold the lock that the
  snapshot was made under.  When librbd closes the image it would unlock the
  object map and so raise the version once more, at a moment when we no longer
  hold the lock.  Therefore the map is unlocked here, under the lock, and
  librbd finds nothing left to unlock (``object_map/UnlockRequest.cc`` accepts
  that).  Whether the lock is still ours is asked of the OSD afterwards: a
  lock that was lost does not come back without an operation of ours.  The
  one operation that can lose it and get it back is the making of the snapshot
  itself: librbd asks another owner to make it, gets no answer, takes the lock
  and finds the snapshot made (``C_InvokeAsyncRequest`` in ``Operations.cc``).
  It waits 5 s for the answer; a snapshot that took nearly as long, or during
  which another client has opened the image, proves nothing.
* whoever finds that version later (:func:`sealed_snapshot`) knows what the
  head held when it was read.  A client that has the image open, and not the
  lock, has written nothing; one that gets the lock afterwards writes after
  that moment.
* for a copy (:func:`idle_version`) the image must have no owner of the lock
  and no client that has it open for writing.

Changes that harm nothing, for example the removal of another snapshot, raise
the version too.  Then the slow way is taken.
"""

import dataclasses
import json
from typing import Any

import rados
import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import object_maps
from rbd_imgdriver.ceph.images import watchers
from rbd_imgdriver.ceph.wire import encoding
from rbd_imgdriver.ceph.wire import header

# An extended attribute of the image's header: unlike metadata it is no
# concern of who looks at the volume's, and no clone inherits it.
_ATTRIBUTE = 'rbd-imgdriver.unchanged-since'

# Seconds within which a snapshot was made by ourselves: less than the 5 that
# librbd waits for another client (``Notifier::NOTIFY_TIMEOUT``).
MADE_BY_US = 3.0

_NEEDED = rbd.RBD_FEATURE_EXCLUSIVE_LOCK | rbd.RBD_FEATURE_OBJECT_MAP
_INVALID = rbd.RBD_FLAG_OBJECT_MAP_INVALID | rbd.RBD_FLAG_FAST_DIFF_INVALID


@dataclasses.dataclass(frozen=True)
class Seal:
    """The head equals a snapshot while the object map has this version.

    :param image_id: the image that it is about
    """

    image_id: str
    snapshot_id: int
    map_version: int


def seal(private: Any, image: Any, snapshot: str) -> Seal | None:
    """Note that the head equals a snapshot that was made just now.

    To be called on the open image that the snapshot was made with, before
    any other operation on it.

    :param private: an I/O context of the image's pool and client that no
        other thread uses, since librados keeps versions by context
    :returns: None when there is no proof: another client has the lock, or
        the image lacks the features
    """
    if not _has_lock(image):
        return None
    id_ = image.id()
    try:
        version = _unlock_map(private, id_)
    except errors.CephError:
        return None  # not ours any more
    if not _has_lock(image) or watchers.count(image) > 1:
        return None
    snapshot_id = next(one.id for one in header.snapshots(private, id_)
                       if one.name == snapshot and one.is_users)
    return Seal(id_, snapshot_id, version)


def note(ioctx: Any, sealed: Seal) -> None:
    """Keep a seal with its image."""
    value = json.dumps(dataclasses.asdict(sealed), sort_keys=True)
    with errors.translated(f'seal of image id {sealed.image_id}'):
        ioctx.set_xattr(header.object_of(sealed.image_id), _ATTRIBUTE,
                        value.encode())


def noted(ioctx: Any, id_: str) -> Seal | None:
    """The seal that an image carries, or None."""
    try:
        with errors.translated(f'seal of image id {id_}',
                               errors.ObjectNotFound):
            text = ioctx.get_xattr(header.object_of(id_), _ATTRIBUTE)
        return Seal(**json.loads(text))
    except (errors.ObjectNotFound, TypeError, ValueError):
        return None


def sealed_snapshot(ioctx: Any, private: Any, image: str) -> str | None:
    """The snapshot that an image's head is known to be equal to.

    Of a moment within the call; opens nothing, for that would take as many
    requests as the clone.

    :param private: as for :func:`seal`
    :returns: None when there is no proof, or a client has the lock
    :raises errors.ImageNotFound: when there is no such image
    """
    id_ = header.image_id(ioctx, image)
    sealed = noted(ioctx, id_)
    if sealed is None or map_version(private, id_) != sealed.map_version:
        return None
    if (not _are_sound(header.features(ioctx, id_), header.flags(ioctx, id_))
            or header.is_locked(ioctx, id_)):
        return None
    try:
        found = header.snapshot(ioctx, id_, sealed.snapshot_id)
        usable = (found.is_users
                  and found.size == header.size(ioctx, id_)[0]
                  and header.is_protected(ioctx, id_, sealed.snapshot_id))
    except errors.SnapshotNotFound:
        return None
    return found.name if usable else None


def idle_version(private: Any, image: Any) -> int | None:
    """A version that stays while nobody can write to an image.

    :param private: as for :func:`seal`
    :param image: the open image
    :returns: None when somebody may be writing to it, or that is not known
    """
    if not _is_sound(image):
        return None
    version = map_version(private, image.id())
    # In this order: a client that comes later raises the version.
    if watchers.count(image) or image.list_lockers():
        return None
    return version


def map_version(private: Any, id_: str) -> int | None:
    """The version of an image's object map; None when it has none."""
    try:
        with errors.translated(f'object map of image id {id_}',
                               errors.ObjectNotFound):
            private.read(object_maps.object_of(id_), 1)
    except errors.ObjectNotFound:
        return None
    return int(private.get_last_version())


def _has_lock(image: Any) -> bool:
    """Asks the OSD, if librbd believes so (``is_exclusive_lock_owner()``)."""
    return _is_sound(image) and bool(image.is_exclusive_lock_owner())


def _is_sound(image: Any) -> bool:
    return _are_sound(image.features(), image.flags())


def _are_sound(features: int, flags: int) -> bool:
    return features & _NEEDED == _NEEDED and not flags & _INVALID


def _unlock_map(private: Any, id_: str) -> int:
    """Give librbd's lock of the object map back; returns the version then.

    A cls_lock_unlock_op; librbd's cookie of that lock is empty.
    """
    with errors.translated(f'object map of image id {id_}'), \
            rados.WriteOpCtx() as op:
        op.execute('lock', 'unlock', encoding.versioned(
            encoding.text(header.LOCK) + encoding.text('')))
        private.operate_write_op(op, object_maps.object_of(id_))
    return int(private.get_last_version())
