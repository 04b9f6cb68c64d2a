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
"""Ways of losing bytes that the machine has to find.

Each is what Cinder's driver does, or an earlier release of this one did.
"""

from collections.abc import Callable
import dataclasses
from typing import Any

from cinder.volume.drivers import rbd as cinder_rbd
import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph.images import snapshots
from rbd_imgdriver.ceph import native
from tests.functional import host


class IntreeDeletion(host.Driver):
    """Flattens the children of what is deleted, whatever hangs on them."""

    delete_volume = cinder_rbd.RBDDriver.delete_volume
    delete_snapshot = cinder_rbd.RBDDriver.delete_snapshot
    _flatten_volume = cinder_rbd.RBDDriver._flatten_volume
    _do_flatten = cinder_rbd.RBDDriver._do_flatten


class FlattenWithMap(clones.Clones):
    """Flattens as ``rbd flatten`` does: with the object map on."""

    @native.in_native_thread
    def flatten(self, id_: str, progress: Any, is_new: bool = False) -> None:
        del is_new
        with errors.translated(f'flatten of image id {id_}'), \
                rbd.Image(self._ioctx, image_id=id_) as image:
            image.flatten(on_progress=progress)


class ReuseByFastDiff(snapshots.Snapshots):
    """Believes fast-diff that nothing has changed since a clone snapshot."""

    @native.in_native_thread
    def sealed(self, image: str) -> str | None:
        with errors.translated(f'changes of {image}'), \
                rbd.Image(self._ioctx, image, read_only=True) as opened:
            for one in reversed(list(opened.list_snaps())):
                if one['name'].endswith('.clone_snap'):
                    return self._unchanged(opened, one)
        return None

    @staticmethod
    def _unchanged(image: Any, snapshot: Any) -> str | None:
        changes: list[int] = []
        image.diff_iterate(
            0, image.size(), snapshot['name'],
            lambda offset, _length, _exists: changes.append(offset),
            include_parent=False, whole_object=True)
        same = not changes and snapshot['size'] == image.size()
        return snapshot['name'] if same else None


def _with_map(driver: Any) -> None:
    pool = driver._pool
    pool.clones = FlattenWithMap(pool.cluster, pool.name)


def _by_fast_diff(driver: Any) -> None:
    pool = driver._pool
    pool.snapshots = ReuseByFastDiff(pool.cluster, pool.name)


@dataclasses.dataclass(frozen=True)
class Opponent:
    """What is put in the place of what this driver does."""

    driver_class: type = host.Driver
    plug_in: Callable[[Any], None] = lambda _: None


OPPONENTS = {
    'intree-deletion': Opponent(driver_class=IntreeDeletion),
    'flatten-with-map': Opponent(plug_in=_with_map),
    'reuse-by-fast-diff': Opponent(plug_in=_by_fast_diff),
}
