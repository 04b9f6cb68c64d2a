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
"""All that one backend needs for its clone chains, in one place."""

import contextlib
import dataclasses

from oslo_log import log as logging

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.chain import clone
from rbd_imgdriver.chain import delete
from rbd_imgdriver.chain import flattener
from rbd_imgdriver.chain import intents
from rbd_imgdriver.chain import names
from rbd_imgdriver.chain import snapshots
from rbd_imgdriver import undo

LOG = logging.getLogger(__name__)

# Every how many looks for unfinished work is at all images: several a day.
_EVERYWHERE = 72


@dataclasses.dataclass(frozen=True)
class Options:
    """What the operator decided about chains.

    :param limit: ``rbd_max_clone_depth``
    :param concurrency: ``rbd_concurrent_flatten_operations``
    :param deferment: ``deferred_deletion_delay`` in seconds when
        ``enable_deferred_deletion`` is set, else None
    :param patience: seconds that a client is given to close an image that
        is to be deleted; more than the watch of a dead client lasts
    """

    limit: int = 5
    concurrency: int = 3
    deferment: int | None = None
    patience: float = 40.0
    rules: names.Names = names.Names()


class Chains:
    """The volumes of one pool as parents and children."""

    def __init__(self, pool: parts.Pool, options: Options) -> None:
        self._pool = pool
        self._rules = options.rules
        self._resumed = 0
        self.flattener = flattener.Flattener(options.concurrency,
                                             options.rules)
        self.cloner = clone.Cloner(pool, options.limit, self.flattener)
        self.deleter = delete.Deleter(pool, options.rules, self.flattener,
                                      options.deferment, options.patience)

    def create_snapshot(self, image: str, snapshot: str) -> None:
        """Make a snapshot; see :func:`snapshots.create`."""
        snapshots.create(self._pool, image, snapshot, self.flattener)

    def before_attach(self, image: str) -> None:
        """Let a client open an image; see ``Flattener.make_way``."""
        self.flattener.make_way(self._pool, self._pool.directory.id(image))

    def delete_snapshot(self, image: str, snapshot: str) -> None:
        """Remove a snapshot; see :func:`snapshots.delete`."""
        snapshots.delete(self._pool, image, snapshot, self._rules)

    def move(self, image: str, pool: str) -> None:
        """Move an image to another pool, with its parent.

        Only its own data is copied, and the source goes last: until then
        nothing is lost.  Nobody may write to it meanwhile.

        :param pool: name of the other pool of the cluster
        :raises errors.PermissionDenied: when our user may not write there
        :raises errors.PoolNotFound: when there is no such pool
        :raises errors.ImageGrouped: when it is in an RBD group
        :raises SourceRemains: when it was copied but could not be deleted
        """
        target = self._pool.sibling(pool)
        self.deleter.check(image)
        id_ = self._pool.copies.head(image, pool, image)
        # A caller that is refused copies the volume, under this name.
        with undo.on_error(f'image {pool}/{image}',
                           lambda: target.images.remove(image, id_)):
            wanted = self._pool.headers.value(
                self._pool.directory.id(image), intents.KEY)
            target.headers.update_id(id_, {}, intents.KEYS)
            if wanted is not None:
                self.flattener.request(target, image)
            self._rename_parents_snapshot(target, image, id_)
        try:
            self.deleter.delete(image, moved=True)
        except errors.CephError as error:
            raise SourceRemains(f'{self._pool.name}/{image} was copied to '
                                f'{pool} but not deleted: {error}') from error

    def _rename_parents_snapshot(self, target: parts.Pool, image: str,
                                 id_: str) -> None:
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

    def resume(self) -> None:
        """Take up flattens that were left undone, here or elsewhere.

        Looks at all images of the pool the first time, and rarely later.
        """
        try:
            if self._resumed % _EVERYWHERE == 0:
                self.flattener.look_everywhere(self._pool)
            self._resumed += 1
            self.flattener.resume(self._pool)
        except errors.CephError as error:
            LOG.warning('Could not look for images to flatten: %s', error)

    def purge(self) -> None:
        """Remove from the trash whose time has come."""
        try:
            self.deleter.purge()
        except errors.CephError as error:
            LOG.warning('Could not purge the trash of pool %(pool)s: '
                        '%(error)s',
                        {'pool': self._pool.name, 'error': error})


class SourceRemains(errors.CephError):
    """An image was moved, and is still where it was, too."""

    code = 'source-remains'
