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
"""Find out what we may do by doing it, and leave nothing.
"""

import contextlib
from typing import Any

import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import snapshots
from rbd_imgdriver import model
from rbd_imgdriver import undo

_SIZE = 4 * 1024 ** 2


def clones(ioctx: Any, name: str, snapshot: str, features: int) -> int:
    """Make an image, clone it, and remove both.

    Both carry the mark of an incomplete import, and the image the snapshot
    of one: what a cluster that stands still keeps of them is the sweep's.

    :param name: for the image, as for an incomplete import; the clone has
        the same with an ending
    :param snapshot: name for the snapshot
    :returns: the format of clones, 1 or 2
    :raises errors.CephError: when any step fails
    """
    child = name + '-clone'

    def clear() -> None:
        # Also what was not made, as far as is known: what timed out may
        # have happened.
        _remove(ioctx, child)
        _remove_snapshot(ioctx, name, snapshot)
        _remove(ioctx, name)

    with errors.translated(f'probe {name}'):
        with undo.on_error(f'image {name}, for the sweep', clear):
            version = _tried(ioctx, name, child, snapshot, features)
        clear()
    return version


def _tried(ioctx: Any, name: str, child: str, snapshot: str,
           features: int) -> int:
    client = rbd.RBD()
    client.create(ioctx, name, _SIZE, 22, old_format=False,
                  features=features)
    _mark(ioctx, name)
    with rbd.Image(ioctx, name) as image:
        image.create_snap(snapshot)
        image.protect_snap(snapshot)
    client.clone(ioctx, name, snapshot, ioctx, child, features)
    _mark(ioctx, child)
    with rbd.Image(ioctx, child, read_only=True) as image:
        is_new = image.op_features() & rbd.RBD_OPERATION_FEATURE_CLONE_CHILD
    return 2 if is_new else 1


def _mark(ioctx: Any, name: str) -> None:
    with rbd.Image(ioctx, name) as image:
        image.metadata_set(model.PARTIAL_MARK, image.id())


def _remove(ioctx: Any, name: str) -> None:
    with contextlib.suppress(rbd.ImageNotFound):
        rbd.RBD().remove(ioctx, name)


def _remove_snapshot(ioctx: Any, name: str, snapshot: str) -> None:
    with contextlib.suppress(rbd.ImageNotFound), \
            rbd.Image(ioctx, name) as image:
        snapshots.unprotect_and_remove(image, snapshot)
