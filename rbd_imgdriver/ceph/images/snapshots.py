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
"""Snapshots of an image.

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

import time
from typing import Any

import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import attempts
from rbd_imgdriver.ceph.images import unchanged
from rbd_imgdriver import undo


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
    :raises errors.ImageExists: when there was such a snapshot before
    """
    with errors.translated(f'snapshot {image}@{snapshot}'), \
            rbd.Image(ioctx, image) as opened:
        if attempt.snapshots is None:
            attempt.snapshots = frozenset(_ids(opened))
        began = time.monotonic()
        # One that an earlier try has made may be older than the last write.
        new = (not _has_made(attempt, opened, snapshot)
               and _create(attempt, opened, snapshot)
               and time.monotonic() - began < unchanged.MADE_BY_US)
        with undo.on_error(f'snapshot {image}@{snapshot}',
                           lambda: opened.remove_snap(snapshot)), \
                errors.translated(f'protection of {image}@{snapshot}'):
            if new and private is not None:
                _seal(ioctx, private, opened, snapshot)
            if not opened.is_protected_snap(snapshot):
                opened.protect_snap(snapshot)


def _create(attempt: attempts.Attempt, opened: Any, snapshot: str) -> bool:
    """Make a snapshot; False when it appeared although there was no answer."""
    try:
        opened.create_snap(snapshot)
    except rbd.Timeout:
        if not _has_made(attempt, opened, snapshot):
            raise
        return False
    return True


def _has_made(attempt: attempts.Attempt, opened: Any, snapshot: str) -> bool:
    id_ = _ids(opened, snapshot)
    return bool(id_) and not set(id_) & (attempt.snapshots or set())


def _ids(opened: Any, name: str | None = None) -> list[int]:
    return [one['id'] for one in opened.list_snaps()
            if name in (None, one['name'])]


def _seal(ioctx: Any, private: Any, image: Any, snapshot: str) -> None:
    sealed = unchanged.seal(private, image, snapshot)
    if sealed is not None:
        unchanged.note(ioctx, sealed)


def remove(ioctx: Any, image: str, snapshot: str) -> None:
    """Remove a snapshot, protected or not; absent is as good as removed.

    With clone format 2, children do no harm: Ceph keeps the snapshot in the
    snapshot trash until the last one is gone.

    :raises errors.ImageBusy: when it has children of clone format 1
    """
    with errors.translated(f'removal of {image}@{snapshot}'):
        try:
            with rbd.Image(ioctx, image) as opened:
                if opened.is_protected_snap(snapshot):
                    opened.unprotect_snap(snapshot)
                opened.remove_snap(snapshot)
        except rbd.ImageNotFound:
            return
