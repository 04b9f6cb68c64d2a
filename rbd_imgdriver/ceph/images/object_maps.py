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
"""Object maps, which are switched off while their image is flattened.

A snapshot that is made during a flatten gets a copy of the object map of that
moment.  Objects that are being copied from the parent just then exist in the
snapshot but not in its map; as soon as the flatten has cut the image from its
parent they read as zeroes.  Without a map librbd asks the OSDs, and the copies
are made so that every snapshot has them (``copyup`` with an empty snapshot
context in ``CopyupRequest.cc``), whoever made it and when.

A flatten also skips what the map says exists.  The map of a killed client may
say so wrongly (Ceph issues 61167 and 61168); without a map nothing is skipped.

Which features are switched off is noted in the image's metadata first and
forgotten when they are on again and all maps are rebuilt.  Whoever finds the
note later switches them on: no map is ever believed that is older than the
note, since switching them on marks all maps as invalid until each is rebuilt
(``EnableFeaturesRequest.cc``).

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

from collections.abc import Iterable
import contextlib
import json
from typing import Any

import rados
import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver import model
from rbd_imgdriver import undo

KEY = model.METADATA_PREFIX + 'object-map'
FEATURES = rbd.RBD_FEATURE_OBJECT_MAP | rbd.RBD_FEATURE_FAST_DIFF


def object_of(id_: str, snapshot_id: int | None = None) -> str:
    """The RADOS object with the map of an image's head or of a snapshot."""
    name = f'rbd_object_map.{id_}'
    return name if snapshot_id is None else f'{name}.{snapshot_id:016x}'


def noted(ioctx: Any, id_: str) -> int:
    """The features that were switched off, or were about to be; 0: none."""
    return parse(id_, header.value(ioctx, id_, KEY))


def parse(id_: str, text: str | None) -> int:
    """The features in a note; 0: none."""
    try:
        features = int(model.note_of(id_, text)['features'])
    except (KeyError, TypeError, ValueError):
        return 0
    return int(features & FEATURES)


def note(ioctx: Any, id_: str, features: int) -> None:
    """Note what is going to be switched off."""
    text = json.dumps({'features': features, 'image_id': id_},
                      sort_keys=True)
    header.update_metadata(ioctx, id_, {KEY: text})


def switch_off(image: Any) -> None:
    """Switch the features off, and get the exclusive lock by that."""
    on = image.features() & FEATURES
    if on:
        image.update_features(on, False)


def switch_on(ioctx: Any, image: Any, features: int) -> None:
    """Switch features on, rebuild all maps, and forget the note.

    A map that is on already is rebuilt, too: nobody knows what it has
    missed.  When that fails, the features are switched off again: until its
    map is rebuilt, librbd refuses to open a snapshot that was made without
    (``image/RefreshRequest.cc``), whoever asks for it.

    :param ioctx: I/O context of the image's pool
    :param image: the open image, which nobody else has open for writing
    :param features: to switch on
    :raises errors.ImageBusy: when a snapshot got no map
    """
    switch_off(image)
    with undo.on_error(
            f'half switched on object map of image id {image.id()}',
            lambda: switch_off(image)):
        image.update_features(features, True)
        image.rebuild_object_map()
        _rebuild_snapshots(ioctx, image)
    header.update_metadata(ioctx, image.id(), {}, remove=(KEY,))


def _rebuild_snapshots(ioctx: Any, image: Any) -> None:
    """Rebuild the maps of all snapshots, which may have none at all.

    A snapshot's map is rebuilt by whoever has that snapshot open; the image
    keeps its lock meanwhile, so nothing changes under it.
    """
    id_ = image.id()
    snapshots = header.snapshot_ids(ioctx, id_)
    if not snapshots:
        return
    with rbd.Image(ioctx, image_id=id_) as other:
        for snapshot in snapshots:
            # It, or only its map: that is looked for at the end.
            with contextlib.suppress(rbd.ImageNotFound):
                other.set_snap_by_id(snapshot)
                other.rebuild_object_map()
    _remove_orphans(ioctx, id_, snapshots)
    _check_complete(ioctx, id_)


def _check_complete(ioctx: Any, id_: str) -> None:
    """Make sure that every snapshot has a map.

    Whoever has the exclusive lock makes a new snapshot's map, or none while
    it has not yet seen that maps are on.  The lock's owner, which is this
    client since it switched them on, has seen it with the rebuild of the
    image's own map, and any later one looks when it gets the lock
    (``exclusive_lock/PostAcquireRequest.cc``): what is missing is missing now.
    """
    for snapshot in header.snapshot_ids(ioctx, id_):
        try:
            ioctx.stat(object_of(id_, snapshot))
        except rados.ObjectNotFound:
            if snapshot in header.snapshot_ids(ioctx, id_):
                raise errors.ImageBusy(
                    f'snapshot id {snapshot} of image id {id_} was made '
                    'without an object map') from None


def _remove_orphans(ioctx: Any, id_: str, snapshots: Iterable[int]) -> None:
    """Remove the maps of snapshots that went while theirs was rebuilt.

    Whoever removed the snapshot has removed its map before it was written
    again, and nobody else ever does.
    """
    for snapshot in set(snapshots) - set(header.snapshot_ids(ioctx, id_)):
        with contextlib.suppress(rados.ObjectNotFound):
            ioctx.remove_object(object_of(id_, snapshot))
