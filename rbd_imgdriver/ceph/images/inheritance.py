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

"""What a clone has from its parent's metadata, and what it may not keep.

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

from collections.abc import Mapping
from typing import Any

from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver import model

# On an image, it has librbd read the image's snapshots, and nothing else of
# it, from any copy (``ImageCtx::get_read_flags``).  Whoever opens a clone
# opens its parent with the parent's own metadata; that what is read so is
# neither old nor uncommitted, the OSDs see to since Octopus ("Reading from
# replica should be safe", Linux 117d96a04f00).
BALANCED_READS = 'conf_rbd_balance_snap_reads'

# A clone inherits its parent's metadata (CloneRequest.cc in Ceph).  Our own
# keys describe the parent, a QoS limit belongs to one volume, and on a clone
# that option would be about the snapshots that its owner makes.
_NOT_INHERITED = (model.METADATA_PREFIX, 'conf_rbd_qos_', BALANCED_READS)


def drop_inherited(target: Any, id_: str) -> None:
    """Remove the metadata that describe another image.

    :param id_: of the new image
    """
    replace(target, id_, header.metadata(target, id_), {})


def replace(target: Any, id_: str, inherited: Mapping[str, str],
            metadata: Mapping[str, str]) -> None:
    """Put metadata into the place of those that describe another image.

    :param inherited: the metadata that it has
    """
    dropped = [key for key in inherited if key.startswith(_NOT_INHERITED)]
    header.update_metadata(target, id_, metadata, remove=dropped)
