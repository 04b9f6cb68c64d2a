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
"""The ancestors of an image with their names, for people to read.

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

import dataclasses
from typing import Any

from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import lineage
from rbd_imgdriver.ceph.images import trash
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver.ceph.wire import header


@dataclasses.dataclass(frozen=True)
class Ancestor:
    """One ancestor.

    :param image: its name; its id when the user may not read more
    :param snapshot: the name of the snapshot that its child depends on, or
        '' when the user may not read it
    :param size: bytes of that snapshot; None when the user may not read it
    :param trashed: whether the image is in the trash
    """

    pool: str
    image: str
    snapshot: str
    size: int | None
    trashed: bool

    def __str__(self) -> str:
        return f'{self.pool}/{self.image}@{self.snapshot}'


def ancestry(cluster: connection.Cluster, ioctx: Any,
             id_: str) -> list[Ancestor]:
    """The ancestors of an image's head, the parent first.

    :raises errors.ImageNotFound: when there is no such image
    """
    return [_described(cluster, ref)
            for ref in lineage.ancestors(cluster, ioctx, id_)]


def _described(cluster: connection.Cluster,
               ref: header.ParentRef) -> Ancestor:
    pool = cluster.pool_name(ref.pool_id)
    ioctx = lineage.ioctx_of(cluster, ref)
    try:
        name = directory.name_of(ioctx, ref.image_id)
        trashed = name is None
        if trashed:
            name = next((one.name for one in trash.entries(ioctx)
                         if one.id == ref.image_id), None)
        snapshot = header.snapshot(ioctx, ref.image_id, ref.snapshot_id)
    except (errors.PermissionDenied, errors.ImageNotFound):
        return Ancestor(pool, ref.image_id, '', None, False)
    return Ancestor(pool, name or ref.image_id, snapshot.name, snapshot.size,
                    trashed)
