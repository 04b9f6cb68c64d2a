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
"""Freeing what was kept for a clone, after the clone is gone.

A clone keeps its parent's snapshot; that keeps the parent, which may be a
volume that was deleted long ago; that keeps its own parent, and so on.
"""

from collections.abc import Callable
import functools
import time
from typing import TypeVar

from oslo_log import log as logging

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import ancestry
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver.chain import names
from rbd_imgdriver.chain import ownership

LOG = logging.getLogger(__name__)

_PATIENCE = 5  # seconds that another client is given
_POLL = 0.1  # seconds between looks at what it is at

T = TypeVar('T')


def release(pool: parts.Pool, ref: header.ParentRef | None,
            rules: names.Names) -> None:
    """Free a parent, and its ancestors, as far as nothing needs them.

    What cannot be freed now stays, with a warning; asking again later is
    safe.

    :param pool: any pool of the cluster
    :param ref: the former parent of an image that is gone or flat
    """
    for _ in range(ancestry.LONGEST):
        if ref is None or ref.namespace:
            return  # namespaces are not ours to clear up
        try:
            ref = in_turn(functools.partial(_release_one, pool, ref,
                                            rules))
        except (errors.ImageNotFound, errors.PoolNotFound):
            return
        except errors.PermissionDenied as error:
            LOG.debug('Not ours to free: %s', error)
            return
        except errors.CephError as error:
            LOG.warning('A parent that may be unused was left behind: '
                        '%s. "rbd-imgdriver-manage leaks repair" frees it.',
                        error)
            return


def in_turn(action: Callable[[], T]) -> T:
    """Remove something, as soon as no other client is at it.

    :raises errors.ImageBusy: when one is for longer than seconds
    """
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return action()
        except errors.ImageBusy:
            if time.monotonic() > deadline:
                raise
        time.sleep(_POLL)


def free(pool: parts.Pool, id_: str, name: str, in_trash: bool,
         rules: names.Names) -> bool:
    """Remove an image that Cinder no longer knows, if nothing needs it.

    :param name: of the image, which says what its snapshots are for
    :returns: whether it is gone
    """
    try:
        left = pool.snapshots.drop_where(
            id_, lambda snapshot: rules.may_drop(name, snapshot))
    except errors.ImageNotFound:
        left = None  # a removal that was cut short; its entry is to go
    if left:
        return False
    if in_trash:
        gone = pool.trash.remove(id_)
    else:
        pool.images.remove(name)
        gone = True
    if gone:
        LOG.info('Removed image %(pool)s/%(name)s: nothing needs it any '
                 'more.', {'pool': pool.name, 'name': name})
    return gone


def parent_of(pool: parts.Pool, id_: str) -> header.ParentRef | None:
    """The parent to release once an image is gone; None when it has gone."""
    try:
        return pool.ancestry.parent_spec(id_)
    except errors.ImageNotFound:
        return None


def is_out_of_sight(parent: ancestry.Parent, rules: names.Names,
                    now: float) -> bool:
    """Whether a parent has only its clones, and its time has come."""
    if parent.in_trash:
        return parent.deferred_until <= now
    return rules.is_deleted(parent.name)


def is_unused(snapshot: header.Snapshot | None) -> bool:
    """Whether a snapshot was made for clones and has none of format 2.

    Whether it has any of format 1 only the attempt to remove it shows.
    """
    return (snapshot is not None and not snapshot.trashed
            and not snapshot.children
            and names.is_clone_snapshot(snapshot.name))


def _release_one(pool: parts.Pool, ref: header.ParentRef,
                 rules: names.Names) -> header.ParentRef | None:
    """Free one parent; the next one to look at, or None."""
    where, parent = pool.ancestry.parent_facts(ref)
    home = pool.sibling(where)
    if is_out_of_sight(parent, rules, time.time()):
        if not ownership.may_go(parent.name, parent.id, parent.in_trash,
                                home.headers.metadata_id(parent.id), rules):
            LOG.info('%(pool)s/%(name)s is left alone: nothing proves that '
                     'this driver was to delete it. See '
                     '"rbd-imgdriver-manage leaks list".',
                     {'pool': where, 'name': parent.name})
            return None
        gone = free(home, parent.id, parent.name, parent.in_trash, rules)
        return parent.parent if gone else None
    if not is_unused(parent.snapshot) or parent.in_trash:
        return None
    assert parent.snapshot is not None
    home.snapshots.drop(parent.id, parent.snapshot.name,
                        parent.snapshot.name)
    # The snapshot may have been all that still depended on its parent.
    return parent.parent
