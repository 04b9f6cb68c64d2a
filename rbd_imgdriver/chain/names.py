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
"""The names that volumes and their snapshots have in a pool: pure functions.

They are those of Cinder's driver (cinder/volume/drivers/rbd.py), which has
to understand them after a switch back.
"""

from collections.abc import Callable
import dataclasses
import re

from rbd_imgdriver import model

CLONE_SNAPSHOT = '.clone_snap'
DELETED = '.deleted'

# Made by Cinder's Ceph backup driver, removed with the volume:
# CephBackupDriver.backup_snapshot_name_pattern.
_BACKUP_SNAPSHOT = re.compile(r'backup\.[a-z0-9\-]+\.snap\..+')


def clone_snapshot(name: str) -> str:
    """The snapshot of a source that is made for a clone.

    :param name: of the clone; or of a deleted snapshot that clones need
    """
    return name + CLONE_SNAPSHOT


def moved_clone_snapshot(name: str) -> str:
    """The same snapshot after its clone has moved to another pool.

    Cinder's driver looks for the parent of a clone in the clone's pool, if
    the parent's snapshot has the clone's name.
    """
    return clone_snapshot(f'{name}.moved')


def deleted(image: str) -> str:
    """What Cinder's driver calls a deleted volume that has clones."""
    return image + DELETED


def is_clone_snapshot(snapshot: str) -> bool:
    """Whether a snapshot exists for its clones only."""
    return snapshot.endswith(CLONE_SNAPSHOT)


def is_internal_snapshot(snapshot: str) -> bool:
    """Whether a snapshot goes when its volume goes."""
    return (is_clone_snapshot(snapshot)
            or _BACKUP_SNAPSHOT.fullmatch(snapshot) is not None)


@dataclasses.dataclass(frozen=True)
class Names:
    """How this Cinder names its volumes, and what it says of them.

    :param template: ``volume_name_template``
    :param status_of: Cinder's status of a volume by its id: ``deleted`` when
        only a record of it is left, None when there is none; raises
        ServiceError.  None: Cinder cannot be asked
    """

    template: str = 'volume-%s'
    status_of: Callable[[str], str | None] | None = None

    def volume_id(self, image: str) -> str | None:
        """The id of the volume, deleted or not, that an image is, or None."""
        before, _, after = self.template.partition('%s')
        pattern = f'{re.escape(before)}(.+){re.escape(after)}'
        match = re.fullmatch(pattern, image.removesuffix(DELETED))
        return match.group(1) if match else None

    def is_deleted(self, image: str) -> bool:
        """Whether Cinder's driver kept a deleted volume for its clones."""
        return image.endswith(DELETED) and self.volume_id(image) is not None

    def is_golden(self, image: str) -> bool:
        """Whether an image is one of our cache's."""
        return image.startswith(model.GOLDEN_PREFIX)

    def may_drop(self, image: str, snapshot: str) -> bool:
        """Whether a snapshot goes when its image does."""
        if self.is_golden(image):
            return snapshot == model.GOLDEN_SNAPSHOT
        return is_internal_snapshot(snapshot)
