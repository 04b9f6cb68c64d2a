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
"""Moving an image to another pool of its cluster.

The image is copied and then deleted.  What host is at it, and how far, may be
unknown at any moment; so there is a note on the image
(:mod:`rbd_imgdriver.chain.moving`), from before the copy until the moment
when the image is marked for its deletion.  A note whose image no client has
open is a dead host's: the copy is removed, and the image is what it was.
"""

from collections.abc import Iterator
import contextlib
import secrets
import time

from oslo_log import log as logging

from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.chain import delete
from rbd_imgdriver.chain import flattener as chain_flattener
from rbd_imgdriver.chain import intents
from rbd_imgdriver.chain import moving
from rbd_imgdriver.chain import names
from rbd_imgdriver import model
from rbd_imgdriver import undo

LOG = logging.getLogger(__name__)


class SourceRemains(errors.CephError):
    """An image was moved, and is still where it was, too."""

    code = 'source-remains'


class Mover:
    """Moves the images of one pool to others."""

    def __init__(self, pool: parts.Pool, deleter: delete.Deleter,
                 flattener: chain_flattener.Flattener) -> None:
        self._pool = pool
        self._deleter = deleter
        self._flattener = flattener

    def move(self, image: str, pool: str) -> None:
        """Move an image to another pool, with its parent.

        Only its own data is copied, and the source goes last: until then
        nothing is lost.  Nobody may write to it meanwhile.

        :param pool: name of the other pool of the cluster
        :raises errors.PermissionDenied: when our user may not write there
        :raises errors.PoolNotFound: when there is no such pool
        :raises errors.ImageExists: when it has an image of that name
        :raises errors.ImageGrouped: when the image is in an RBD group
        :raises delete.Abandoned: when another host took this one for dead
        :raises SourceRemains: when it was copied but could not be deleted
        """
        target = self._pool.sibling(pool)
        self._deleter.check(image)
        move = self._begin(target, image)
        with undo.on_error(f'image {pool}/{image}',
                           lambda: moving.give_up(self._pool, move)), \
                self._shown(image):
            id_ = self._copy(target, move)
        self._delete_source(target, move, id_)

    def resume(self) -> None:
        """Undo the moves of hosts that have died.

        :raises errors.CephError: when Ceph refuses, or does not answer
        """
        for image_id in sorted(self._pool.unfinished.ids()):
            move = moving.noted(self._pool, image_id)
            if move is None or self._pool.usage.is_watched(image_id):
                continue
            try:
                moving.give_up(self._pool, move)
            except errors.CephError as error:
                LOG.warning('What a dead move of %(image)s has left in pool '
                            '%(pool)s stays for now: %(error)s',
                            {'image': move.image, 'pool': move.pool,
                             'error': error})

    def _begin(self, target: parts.Pool, image: str) -> moving.Move:
        """Note that an image is moved from now on."""
        image_id = self._pool.directory.id(image)
        earlier = moving.noted(self._pool, image_id)
        if earlier is not None:
            if self._pool.usage.is_watched(image_id):
                raise errors.ImageBusy(f'{self._pool.name}/{image} is being '
                                       'moved')
            moving.give_up(self._pool, earlier)
        if target.directory.exists(image):
            raise errors.ImageExists(f'{target.name}/{image} exists already')
        move = moving.Move(image_id, image, target.name, time.time(),
                           secrets.token_hex(8))
        self._pool.headers.update_id(
            image_id, {moving.KEY: moving.value(move)}, (model.MOVED_MARK,))
        self._pool.unfinished.add([image_id])
        return move

    @contextlib.contextmanager
    def _shown(self, image: str) -> Iterator[None]:
        """Show other hosts that this one lives."""
        hold = self._pool.images.hold(image)
        try:
            yield
        finally:
            blocking.run(hold.close)

    def _copy(self, target: parts.Pool, move: moving.Move) -> str:
        """Copy an image, with all that has to go with it."""
        image = move.image
        try:
            id_ = self._pool.copies.head(image, target.name, image)
        except errors.ImageExists:
            moving.forget(self._pool, move)  # somebody else has made it
            raise
        # A caller that is refused copies the volume, under this name.
        with undo.on_error(f'image {target.name}/{image}',
                           lambda: target.images.remove(image, id_)):
            wanted = self._pool.headers.value(move.image_id, intents.KEY)
            target.headers.update_id(id_, {}, (*intents.KEYS, moving.KEY))
            if wanted is not None:
                self._flattener.request(target, image)
            _rename_parents_snapshot(target, image, id_)
        return id_

    def _delete_source(self, target: parts.Pool, move: moving.Move,
                       copy_id: str) -> None:
        image = move.image
        try:
            self._deleter.delete(image, move)
        except delete.Abandoned:
            with undo.on_error(f'image {target.name}/{image}',
                               lambda: target.images.remove(image, copy_id)):
                raise
        except errors.CephError as error:
            raise SourceRemains(
                f'{self._pool.name}/{image} was copied to {target.name} but '
                f'not deleted: {error}') from error


def _rename_parents_snapshot(target: parts.Pool, image: str,
                             id_: str) -> None:
    """Let Cinder's driver not look for a clone's parent in the wrong pool."""
    ref = target.ancestry.parent(id_)
    if ref is None:
        return
    pool, parent = target.ancestry.parent_facts(ref)
    known = names.clone_snapshot(image)
    if (pool != target.name and parent.snapshot is not None
            and parent.snapshot.name == known):
        # Its parent may be deleted at this moment, and with it the name.
        with contextlib.suppress(errors.SnapshotNotFound,
                                 errors.ImageNotFound):
            target.sibling(pool).snapshots.rename(
                parent.id, known, names.moved_clone_snapshot(image))
