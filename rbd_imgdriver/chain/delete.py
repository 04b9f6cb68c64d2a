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
"""Deleting volumes: nothing that clones need is harmed, nothing else stays."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import time

from oslo_log import log as logging

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import ancestry
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.chain import flattener as chain_flattener
from rbd_imgdriver.chain import names
from rbd_imgdriver.chain import ownership
from rbd_imgdriver.chain import release
from rbd_imgdriver import model
from rbd_imgdriver import undo

LOG = logging.getLogger(__name__)

_POLL = 0.5  # seconds between looks at an image that is in use


class Deleter:
    """Deletes the volumes of one pool.

    :param deferment: seconds that a deleted volume stays in the trash; None
        to remove it at once
    :param patience: seconds that a client is given to close the image, for
        example after a detach
    """

    def __init__(self, pool: parts.Pool, rules: names.Names,
                 flattener: chain_flattener.Flattener,
                 deferment: int | None, patience: float) -> None:
        self._pool = pool
        self._rules = rules
        self._flattener = flattener
        self._deferment = deferment
        self._patience = patience

    def delete(self, image: str, moved: bool = False) -> None:
        """Delete a volume's image; absent is as good as deleted.

        With children it moves out of sight, and the last of them frees it.

        :param moved: whether the volume is now in another pool, so that
            Cinder goes on knowing it
        :raises errors.ImageBusy: when a client has it open
        :raises errors.ImageGrouped: when it is in an RBD group
        """
        mark = model.MOVED_MARK if moved else model.DELETED_MARK
        try:
            facts = self._pool.ancestry.removal_facts(image)
        except errors.ImageNotFound:
            self._pool.images.remove(image)  # what a cut short removal left
            return
        self._check_ungrouped(image, facts)
        try:
            self._delete(image, facts, mark)
        except errors.ImageNotFound:
            LOG.debug('Somebody else has deleted %s meanwhile', image)

    def check(self, image: str) -> None:
        """Refuse what would be refused only at the end of a deletion.

        :raises errors.ImageNotFound: when there is no such image
        :raises errors.ImageGrouped: when it is in an RBD group
        """
        self._check_ungrouped(image,
                              self._pool.ancestry.removal_facts(image))

    def _check_ungrouped(self, image: str, facts: ancestry.Facts) -> None:
        """Before anything of it goes: librbd would refuse the last step."""
        if facts.group:
            name = f'{self._pool.name}/{image}'
            raise errors.ImageGrouped(
                f'{name} is in the RBD group {facts.group}; take it out with '
                f'"rbd group image remove {facts.group} {name}"')

    def _delete(self, image: str, facts: ancestry.Facts, mark: str) -> None:
        self._flattener.cancel(self._pool, facts.id)
        if facts.in_trash:
            self._patiently(facts.id, lambda: self._finish_move(
                image, facts.id, mark))
        elif facts.snapshots:
            self._patiently(facts.id, lambda: self._retire(
                image, facts.id, mark))
        elif self._deferment is not None:
            self._patiently(
                facts.id,
                lambda: self._move_to_trash(image, facts.id, mark))
        else:
            self._patiently(facts.id, lambda: self._pool.images.remove(image))
            release.release(self._pool, facts.parent, self._rules)

    def _retire(self, image: str, id_: str, mark: str) -> None:
        """Delete a volume that has snapshots.

        Cinder's driver, after a switch back to it, looks for the parent of a
        clone by the parent's name when the parent's snapshot has the
        clone's.  With clones of format 2 such a snapshot has lost its name
        when its image goes to the trash.  With those of format 1 it cannot:
        then the image stays, under the name that Cinder's driver gives it.
        """
        self._check_closed(image, id_)
        left = self._pool.snapshots.drop_where(id_, names.is_clone_snapshot)
        if any(names.is_clone_snapshot(one) for one in left.named):
            with self._marked(id_, mark):
                self._pool.images.rename(image, names.deleted(image))
            return
        self._move_to_trash(image, id_, mark)
        if self._deferment is None:
            self._free(id_, image)

    def _finish_move(self, image: str, id_: str, mark: str) -> None:
        """Finish a deletion that was cut short on its way to the trash."""
        self._check_closed(image, id_)
        try:
            self._pool.ancestry.parent_spec(id_)
        except errors.ImageNotFound:
            pass  # only the entry is left; a mark would make a header
        else:
            self._pool.headers.update_id(id_, {mark: id_})
        self._pool.trash.finish_move(id_)
        if self._deferment is None:
            self._free(id_, image)

    def purge(self) -> None:
        """Remove from the trash what we put there and whose time has come."""
        now = time.time()
        for one in self._pool.trash.entries():
            if one.deferred_until <= now and ownership.may_go(
                    one.name, one.id, True,
                    self._pool.headers.metadata_id(one.id), self._rules):
                self._free(one.id, one.name)

    def _free(self, id_: str, name: str) -> None:
        """Remove an image in the trash, unless clones need it.

        If that is not known it stays there; it is out of the way.
        """
        try:
            parent = release.parent_of(self._pool, id_)
            if release.in_turn(lambda: release.free(
                    self._pool, id_, name, True, self._rules)):
                release.release(self._pool, parent, self._rules)
        except errors.ImageNotFound:
            return  # another host was faster
        except errors.CephError as error:
            LOG.warning('%(name)s stays in the trash of pool %(pool)s: '
                        '%(error)s', {'name': name, 'error': error,
                                      'pool': self._pool.name})

    def _move_to_trash(self, image: str, id_: str, mark: str) -> None:
        self._check_closed(image, id_)
        with self._marked(id_, mark):
            self._pool.trash.move(image, self._deferment or 0)

    @contextlib.contextmanager
    def _marked(self, id_: str, mark: str) -> Iterator[None]:
        """Mark an image as deleted by us, before it is put out of sight."""
        self._pool.headers.update_id(id_, {mark: id_})
        with undo.on_error(f'the mark of image id {id_}',
                           lambda: self._pool.headers.update_id(
                               id_, {}, (mark,))):
            yield

    def _check_closed(self, image: str, id_: str) -> None:
        """Ceph itself would move and rename an image that is written to."""
        if self._pool.usage.is_watched(id_):
            raise errors.ImageBusy(
                f'{self._pool.name}/{image} is open on a client')

    def _patiently(self, id_: str, action: Callable[[], None]) -> None:
        """Do something as soon as no client has the image open."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                action()
                return
            except errors.ImageBusy:
                if time.monotonic() > deadline:
                    raise
            self._wait_until_closed(id_, deadline)

    def _wait_until_closed(self, id_: str, deadline: float) -> None:
        while True:
            time.sleep(_POLL)
            if (time.monotonic() > deadline
                    or not self._pool.usage.is_watched(id_)):
                return
