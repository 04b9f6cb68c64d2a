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

import dataclasses

from oslo_log import log as logging

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.chain import clone
from rbd_imgdriver.chain import delete
from rbd_imgdriver.chain import flattener
from rbd_imgdriver.chain import move
from rbd_imgdriver.chain import names
from rbd_imgdriver.chain import snapshots

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
        self._mover = move.Mover(pool, self.deleter, self.flattener)

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
        """Move an image to another pool; see :class:`move.Mover`."""
        self._mover.move(image, pool)

    def resume(self) -> None:
        """Finish flattens, and undo moves, of hosts that have died.

        Looks at all images of the pool the first time, and rarely later.
        """
        try:
            if self._resumed % _EVERYWHERE == 0:
                self.flattener.look_everywhere(self._pool)
            self._resumed += 1
            self._mover.resume()
            self.flattener.resume(self._pool)
        except errors.CephError as error:
            LOG.warning('Could not look for work that was left undone: %s',
                        error)

    def purge(self) -> None:
        """Remove from the trash whose time has come."""
        try:
            self.deleter.purge()
        except errors.CephError as error:
            LOG.warning('Could not purge the trash of pool %(pool)s: '
                        '%(error)s',
                        {'pool': self._pool.name, 'error': error})
