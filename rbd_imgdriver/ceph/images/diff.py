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
"""Has an image changed since one of its snapshots?

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

from collections.abc import Callable
from typing import Any

import rbd

from rbd_imgdriver.ceph import errors

_USER_NAMESPACE = 0


class _Changed(Exception):
    """Not an error: the end of a search."""


def unchanged_since(ioctx: Any, image: str,
                    wanted: Callable[[str], bool]) -> str | None:
    """The newest of certain snapshots, if nothing was written since.

    Answered from the object maps (fast-diff; 0.6 ms for 4 GiB, 77 ms for
    1 TiB) and only when they are valid: without them it would take seconds.

    :param wanted: tells by its name whether a snapshot is of interest
    :returns: None when there is no such snapshot, the image has changed, or
        that cannot be told quickly; also when a client has the image open
        for writing
    :raises errors.ImageNotFound: when there is no such image
    """
    with errors.translated(f'changes of {image}'), \
            rbd.Image(ioctx, image, read_only=True) as opened:
        if any(True for _ in opened.watchers_list()):
            return None
        snapshots = sorted(opened.list_snaps(), key=lambda one: one['id'])
        found = [one for one in snapshots
                 if one['namespace'] == _USER_NAMESPACE
                 and wanted(one['name'])]
        if not found:
            return None
        newest = found[-1]
        later = [one['id'] for one in snapshots if one['id'] >= newest['id']]
        if (newest['size'] == opened.size()
                and opened.is_protected_snap(newest['name'])
                and is_quick(opened, later)
                and _is_same(opened, newest['name'])):
            return str(newest['name'])
        return None


def is_quick(image: Any, snapshot_ids: list[int]) -> bool:
    """Whether the object maps of the head and the snapshots are valid."""
    invalid = rbd.RBD_FLAG_OBJECT_MAP_INVALID | rbd.RBD_FLAG_FAST_DIFF_INVALID
    if not image.features() & rbd.RBD_FEATURE_FAST_DIFF:
        return False
    if image.flags() & invalid:
        return False
    try:
        for id_ in snapshot_ids:
            image.set_snap_by_id(id_)
            if image.flags() & invalid:
                return False
    finally:
        image.set_snap(None)
    return True


def _is_same(image: Any, snapshot: str) -> bool:
    def changed(*_: object) -> None:
        raise _Changed

    try:
        image.diff_iterate(0, image.size(), snapshot, changed,
                           include_parent=False, whole_object=True)
    except _Changed:
        return False
    return True
