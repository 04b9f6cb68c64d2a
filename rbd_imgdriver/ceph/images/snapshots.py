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
"""Snapshots of images, made and removed without harm to their clones."""

from collections.abc import Callable
import dataclasses
import time
from typing import Any

import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import attempts
from rbd_imgdriver.ceph.images import removal
from rbd_imgdriver.ceph.images import unchanged
from rbd_imgdriver.ceph import native
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver.ceph.wire import encoding
from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver.ceph.wire import survey
from rbd_imgdriver import undo


@dataclasses.dataclass(frozen=True)
class Remaining:
    """The snapshots that an image still has.

    :param named: those that could not be removed, or were not to be
    :param trashed: how many are in the snapshot trash, or not the user's
    """

    named: tuple[str, ...]
    trashed: int

    def __bool__(self) -> bool:
        return bool(self.named or self.trashed)


class Snapshots(native.Part):
    """The snapshots of a pool's images."""

    def create(self, image: str, snapshot: str, seal: bool = False) -> None:
        """Make a snapshot that can be cloned; see :func:`create_protected`.

        :param seal: whether :meth:`sealed` is to find it
        :raises errors.ImageNotFound: when there is no such image
        :raises errors.SnapshotExists: when there was one of that name before
        """
        self._create(image, snapshot, seal, attempts.Attempt())

    @native.in_native_thread
    def _create(self, image: str, snapshot: str, seal: bool,
                attempt: attempts.Attempt) -> None:
        with self._private_ioctx() as private:
            create_protected(self._ioctx, image, snapshot, attempt,
                             private if seal else None)

    def ensure(self, image: str, snapshot: str) -> None:
        """Make a snapshot that can be cloned; one that exists will do."""
        try:
            self.create(image, snapshot)
        except errors.SnapshotExists:
            return

    @native.in_native_thread
    def sealed(self, image: str) -> str | None:
        """The snapshot that an image is known not to have changed since.

        See :mod:`rbd_imgdriver.ceph.images.unchanged`.

        :raises errors.ImageNotFound: when there is no such image
        """
        with self._private_ioctx() as private:
            return unchanged.sealed_snapshot(self._ioctx, private, image)

    @native.in_native_thread
    def remove(self, image: str, snapshot: str) -> None:
        """Remove a snapshot, protected or not; absent is as good as removed.

        With clone format 2, children do no harm: Ceph keeps the snapshot in
        the snapshot trash until the last one is gone.

        :raises errors.ImageBusy: when it has children of clone format 1
        """
        with errors.translated(f'removal of {image}@{snapshot}'):
            try:
                with rbd.Image(self._ioctx, image) as opened:
                    removal.check_none(self._ioctx, opened.id())
                    unprotect_and_remove(opened, snapshot)
            except rbd.ImageNotFound:
                return

    @native.in_native_thread
    def drop(self, id_: str, name: str, hidden_name: str) -> None:
        """Remove a snapshot, or put it out of the way of its clones.

        With clones of format 2 Ceph moves it to the snapshot trash and frees
        it with the last of them.  With clones of format 1 it cannot be
        removed; it gets another name.  Absent is as good as dropped.

        :param hidden_name: its name from then on
        """
        with errors.translated(
                f'removal of snapshot {name} of image id {id_}',
                taken=errors.SnapshotExists):
            try:
                with rbd.Image(self._ioctx, image_id=id_) as image:
                    removal.check_none(self._ioctx, id_)
                    if not _drop(image, name) and name != hidden_name:
                        image.rename_snap(name, hidden_name)
            except rbd.ImageNotFound:
                return

    @native.in_native_thread
    def drop_where(self, id_: str,
                   droppable: Callable[[str], bool]) -> Remaining:
        """Remove the snapshots that may go, and say what is left.

        :param droppable: called with a snapshot's name: whether it may go
        """
        return drop_where(self._ioctx, id_, droppable)

    @native.in_native_thread
    def rename(self, id_: str, name: str, new_name: str) -> None:
        """Rename a snapshot, which may have clones.

        :raises errors.SnapshotNotFound: when there is no such snapshot
        :raises errors.SnapshotExists: when the new name is taken
        """
        subject = f'rename of snapshot {name} of image id {id_}'
        with errors.translated(subject), \
                rbd.Image(self._ioctx, image_id=id_) as image, \
                errors.translated(subject, errors.SnapshotNotFound,
                                  errors.SnapshotExists):
            removal.check_none(self._ioctx, id_)
            image.rename_snap(name, new_name)

    @native.in_native_thread
    def entries(self, id_: str) -> list[header.Snapshot]:
        """All snapshots of an image, from its header; empty when it is gone.

        Costs 0.2 ms, and as much for each snapshot.
        """
        ioctx = self._ioctx
        try:
            return header.snapshots(ioctx, id_)
        except errors.ImageNotFound:
            return []

    @native.in_native_thread
    def counts(self) -> dict[str, int]:
        """How many snapshots each image has; reads every header."""
        ioctx = self._ioctx
        ids = directory.names(ioctx, '')
        found = survey.snapshot_ids(ioctx, ids.values())
        return {name: len(found[id_]) for name, id_ in ids.items()
                if id_ in found}


def create_protected(ioctx: Any, image: str, snapshot: str,
                     attempt: attempts.Attempt, private: Any = None) -> None:
    """Make a snapshot that clones of both formats can have as parent.

    Clone format 2 needs no protection, format 1 does; it costs 2 ms beside
    the round trip to the monitors that the snapshot itself costs.

    A snapshot that has appeared since the call began is its own, made before
    the client was blocklisted or the answer was lost: it is of a moment
    within the call, as was asked for.

    :param private: an I/O context that no other thread uses, to note with
        the image that it has not changed since (:mod:`unchanged`)
    :raises errors.ImageNotFound: when there is no such image
    :raises errors.SnapshotExists: when there was one of that name before
    """
    with errors.translated(f'snapshot {image}@{snapshot}',
                           taken=errors.SnapshotExists), \
            rbd.Image(ioctx, image) as opened:
        id_ = opened.id()
        if attempt.snapshots is None:
            attempt.snapshots = frozenset(header.snapshot_ids(ioctx, id_))
        began = time.monotonic()
        # One that an earlier try has made may be older than the last write.
        new = (not _has_made(attempt, ioctx, id_, snapshot)
               and _create(attempt, ioctx, opened, snapshot)
               and time.monotonic() - began < unchanged.MADE_BY_US)
        with undo.on_error(f'snapshot {image}@{snapshot}',
                           lambda: unprotect_and_remove(opened, snapshot)), \
                errors.translated(f'protection of {image}@{snapshot}'):
            if new and private is not None:
                _seal(ioctx, private, opened, snapshot)
            if not opened.is_protected_snap(snapshot):
                opened.protect_snap(snapshot)


def _create(attempt: attempts.Attempt, ioctx: Any, opened: Any,
            snapshot: str) -> bool:
    """Make a snapshot; False when it appeared although there was no answer."""
    try:
        opened.create_snap(snapshot)
    except rbd.Timeout:
        if not _has_made(attempt, ioctx, opened.id(), snapshot):
            raise
        return False
    return True


def _has_made(attempt: attempts.Attempt, ioctx: Any, id_: str,
              snapshot: str) -> bool:
    """Whether a snapshot of that name has appeared since the call began."""
    appeared = (set(header.snapshot_ids(ioctx, id_))
                - (attempt.snapshots or frozenset()))
    return any(header.snapshot(ioctx, id_, one).name == snapshot
               for one in appeared)


def _seal(ioctx: Any, private: Any, image: Any, snapshot: str) -> None:
    sealed = unchanged.seal(private, image, snapshot)
    if sealed is not None:
        unchanged.note(ioctx, sealed)


def drop_where(ioctx: Any, id_: str,
               droppable: Callable[[str], bool]) -> Remaining:
    """The same in an I/O context; blocks."""
    going = [one.name for one in header.snapshots(ioctx, id_)
             if one.is_users and droppable(one.name)]
    if going:
        with errors.translated(f'snapshots of image id {id_}'), \
                rbd.Image(ioctx, image_id=id_) as image:
            removal.check_none(ioctx, id_)
            for name in going:
                _drop(image, name)
    left = header.snapshots(ioctx, id_)
    named = [one.name for one in left if one.is_users]
    return Remaining(tuple(named), len(left) - len(named))


def unprotect_and_remove(image: Any, snapshot: str) -> None:
    """Remove a snapshot of an open image, whether or not it is protected.

    Its name may be any bytes, of which the bindings encode UTF-8 only.

    :param image: the open ``rbd.Image``
    :raises rbd.Error: when it is not there, or clones of format 1 need it
    """
    name = encoding.to_bytes(snapshot)
    try:
        if image.is_protected_snap(name):
            image.unprotect_snap(name)
    except rbd.InvalidArgument:
        pass  # somebody else has unprotected it meanwhile
    image.remove_snap(name)


def _drop(image: Any, snapshot: str) -> bool:
    """Remove a snapshot; False when clones of format 1 forbid it."""
    try:
        unprotect_and_remove(image, snapshot)
    except rbd.ImageBusy:
        return False
    except rbd.ImageNotFound:
        return True
    return True
