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
"""Snapshots of volumes: made beside a flatten, removed under clones."""

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.chain import flattener as chain_flattener
from rbd_imgdriver.chain import names
from rbd_imgdriver.chain import release

# Seconds that a snapshot waits for a flatten to finish before it ends it:
# afterwards the image cannot be flattened until the snapshot is gone.
_PATIENCE = 10.0


def create(pool: parts.Pool, image: str, snapshot: str,
           flattener: chain_flattener.Flattener) -> None:
    """Make a snapshot that can be cloned.

    No flatten is under way meanwhile.  One that another client does, or that
    begins because this takes very long, loses no byte
    (:mod:`rbd_imgdriver.ceph.images.object_maps`) and ends when it sees the
    snapshot.

    :raises errors.ImageNotFound: when there is no such image
    :raises errors.SnapshotExists: when there is such a snapshot
    """
    flattener.settle(pool, image, _PATIENCE)
    with flattener.held_off(pool, pool.directory.id(image)):
        pool.snapshots.create(image, snapshot,
                             seal=names.is_clone_snapshot(snapshot))


def delete(pool: parts.Pool, image: str, snapshot: str,
           rules: names.Names) -> None:
    """Remove a snapshot, with or without clones; flattens nothing.

    Clones keep what they need: in Ceph's snapshot trash with clones of
    format 2, under the name of a clone snapshot with those of format 1.
    Absent is as good as removed.
    """
    try:
        image_id = pool.directory.id(image)
    except errors.ImageNotFound:
        return
    drop(pool, image_id, snapshot, names.clone_snapshot(snapshot), rules)


def drop(pool: parts.Pool, image_id: str, snapshot: str,
         hidden_name: str, rules: names.Names) -> None:
    """Remove a snapshot, and what only it depended on.

    :param hidden_name: its name when clones forbid its removal
    """
    parent = pool.ancestry.parent_spec(image_id)
    pool.snapshots.drop(image_id, snapshot, hidden_name)
    if parent is not None and pool.ancestry.parent_spec(image_id) is None:
        # The image is flat, and only this snapshot depended on its parent.
        release.release(pool, parent, rules)
