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
"""Where an import goes."""

from collections.abc import Mapping
import dataclasses

from rbd_imgdriver.ceph import parts
from rbd_imgdriver.importer.qemu import luks_header


@dataclasses.dataclass(frozen=True)
class Target:
    """The RBD image that an import makes or overwrites.

    :param order: log2 of the object size in bytes
    :param limit: bytes of the volume; an image with a larger disk is refused
    :param size: bytes of the RBD image; None: those of the disk inside,
        rounded up to whole GiB
    :param metadata: image metadata to set on it
    :param encryption: make the image a LUKS container
    :param project: whose share of the places the import takes; None: that
        of the image's owner
    :param partial: name of the RBD image until it is whole; None: a new one
    """

    pool: parts.Pool
    name: str
    order: int
    limit: int
    size: int | None = None
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    encryption: luks_header.Encryption | None = None
    project: str | None = None
    partial: str | None = None


def existing(pool: parts.Pool, name: str, order: int,
             encryption: luks_header.Encryption | None = None,
             project: str | None = None) -> Target:
    """A volume that exists, with the size that it has.

    :param order: log2 of the object size of a temporary image in bytes
    :raises rbd_imgdriver.ceph.errors.ImageNotFound: when it does not exist
    """
    size = pool.headers.size(name)
    return Target(pool, name, order, size, size, encryption=encryption,
                  project=project)
