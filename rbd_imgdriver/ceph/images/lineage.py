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
"""Where a clone comes from: its ancestors, across pools, without opening any.

Each step is two calls of the object class (0.4 ms) on one header object.

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

from typing import Any

from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.wire import header

# librbd opens an image with all its ancestors: nobody works with chains of
# such a length.  It bounds the walk if headers should ever form a circle.
LONGEST = 256


def ancestors(cluster: connection.Cluster, ioctx: Any,
              id_: str) -> list[header.ParentRef]:
    """The ancestors of an image's head, the parent first.

    Ancestors in the trash count.  One whose header the user may not read
    counts too, and ends the walk.

    :param ioctx: I/O context of the image's pool
    :raises errors.ImageNotFound: when there is no such image
    """
    found: list[header.ParentRef] = []
    ref = header.parent(ioctx, id_)
    while ref is not None and len(found) < LONGEST:
        found.append(ref)
        ref = _parent_of(cluster, ref)
    return found


def can_be_cloned(cluster: connection.Cluster,
                  ref: header.ParentRef) -> bool:
    """Whether a parent's snapshot can get another clone."""
    snapshot = header.snapshot(ioctx_of(cluster, ref), ref.image_id,
                               ref.snapshot_id)
    return not snapshot.trashed


def ioctx_of(cluster: connection.Cluster, ref: header.ParentRef) -> Any:
    """The I/O context of a parent's pool and namespace."""
    return cluster.ioctx(cluster.pool_name(ref.pool_id), ref.namespace)


def _parent_of(cluster: connection.Cluster,
               ref: header.ParentRef) -> header.ParentRef | None:
    try:
        return header.parent(ioctx_of(cluster, ref), ref.image_id,
                             ref.snapshot_id)
    except (errors.ImageNotFound, errors.PermissionDenied,
            errors.PoolNotFound):
        return None
