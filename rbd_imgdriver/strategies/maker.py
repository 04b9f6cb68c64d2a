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
"""Making the volume from a snapshot: as a clone, or as a copy."""

import dataclasses

from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph import parts
from rbd_imgdriver import model


def must_copy(target: model.Target, max_depth: int,
              of_glance: bool) -> bool:
    """Whether a volume may have no parent.

    Mirroring refuses an image whose parent is not mirrored.  A
    ``rbd_max_clone_depth`` of 0 or less forbids volumes that depend on
    images of Cinder; Glance's own snapshots are cloned all the same, as
    Cinder's driver does (``clone_image`` in cinder/volume/drivers/rbd.py
    does not look at that option).

    :param of_glance: whether the parent would be a snapshot of Glance
    """
    return target.replicated or (max_depth <= 0 and not of_glance)


@dataclasses.dataclass(frozen=True)
class Maker:
    """Makes volumes in one pool.

    :param order: log2 of the least object size in bytes
    :param max_depth: ``rbd_max_clone_depth``
    """

    pool: parts.Pool
    order: int
    max_depth: int

    def make(self, request: model.Request, parent: clones.SnapshotSpec,
             record: dict[str, str], of_glance: bool = False,
             parent_id_key: str | None = None) -> str:
        """Make the volume of a request.

        :param parent: a snapshot in any pool of the cluster
        :param record: the metadata that say how it was made
        :param of_glance: whether that is a snapshot of Glance
        :param parent_id_key: see :class:`clones.CloneSpec`
        :returns: the parent, or '' for a copy
        :raises rbd_imgdriver.ceph.errors.CephError: when Ceph refuses
        """
        target = request.target
        spec = clones.CloneSpec(parent=parent, name=target.name,
                                size=target.size, order=self.order,
                                metadata=record,
                                parent_id_key=parent_id_key)
        if must_copy(target, self.max_depth, of_glance):
            self.pool.clones.copy(spec)
            return ''
        self.pool.clones.clone(spec)
        return str(parent)
