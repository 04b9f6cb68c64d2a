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
import dataclasses
import time

from oslo_log import log as logging

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import ancestry
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.chain import flattener as chain_flattener
from rbd_imgdriver.chain import moving
from rbd_imgdriver.chain import names
from rbd_imgdriver.chain import ownership
from rbd_imgdriver.chain import release
from rbd_imgdriver import model
from rbd_imgdriver import undo

LOG = logging.getLogger(__name__)

_POLL = 0.5  # seconds between looks at an image that is in use


class Abandoned(errors.CephError):
    """Another host has taken the move of an image for a dead one."""

    code = 'move-abandoned'


@dataclasses.dataclass(frozen=True)
class _Mark:
    """What an image is marked with before it is put out of sight.

    :param move: the move that has copied it, and that ends with the mark
    """

    key: str
    move: moving.Move | None = None


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

    def delete(self, image: str, move: moving.Move | None = None) -> None:
        """Delete a volume's image; absent is as good as deleted.

        With children it moves out of sight, and the last of them frees it.

        :param move: how it came into another pool, when it did, so that
            Cinder goes on knowing the volume
        :raises errors.ImageBusy: when a client has it open
        :raises errors.ImageGrouped: when it is in an RBD group
        :raises Abandoned: when that move no longer counts
        """
        mark = (_Mark(model.DELETED_MARK) if move is None
                else _Mark(model.MOVED_MARK, move))
        try:
            facts = self._pool.ancestry.removal_facts(image)
        except errors.ImageNotFound:
            self._pool.images.remove(image)  # what a cut short removal left
            return
        self._check_ungrouped(image, facts)
        if move is None:
            self._forget_move(facts.id)
        try:
            self._delete(image, facts, mark)
        except errors.ImageNotFound:
            LOG.debug('Somebody else has deleted %s meanwhile', image)

    def _forget_move(self, image_id: str) -> None:
        """Remove what a host that died has copied of an image."""
        move = moving.noted(self._pool, image_id)
        if move is None:
            return
        try:
            moving.give_up(self._pool, move)
        except errors.CephError as error:
            LOG.warning('The copy of %(image)s in pool %(pool)s stays: '
                        '%(error)s', {'image': move.image, 'error': error,
                                      'pool': move.pool})

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

    def _delete(self, image: str, facts: ancestry.Facts,
                mark: _Mark) -> None:
        self._flattener.cancel(self._pool, facts.id)
        if facts.in_trash:
            self._patiently(facts.id, lambda: self._finish_move(
                image, facts.id, mark))
        elif facts.snapshots:
            self._patiently(facts.id, lambda: self._retire(
                image, facts.id, mark))
        elif self._deferment is not None or mark.move is not None:
            # Cinder knows a volume that is moved by its name: it must not
            # meet one that is half removed.
            self._patiently(
                facts.id,
                lambda: self._put_away(image, facts.id, mark))
        else:
            self._patiently(facts.id, lambda: self._pool.images.remove(image))
            release.release(self._pool, facts.parent, self._rules)

    def _retire(self, image: str, id_: str, mark: _Mark) -> None:
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
        self._put_away(image, id_, mark)

    def _finish_move(self, image: str, id_: str, mark: _Mark) -> None:
        """Finish a deletion that was cut short on its way to the trash."""
        self._check_closed(image, id_)
        try:
            self._pool.ancestry.parent_spec(id_)
        except errors.ImageNotFound:
            pass  # only the entry is left; a mark would make a header
        else:
            self._pool.headers.update_id(id_, {mark.key: id_})
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

    def _put_away(self, image: str, id_: str, mark: _Mark) -> None:
        """Move an image to the trash, and out of that unless it is needed."""
        self._check_closed(image, id_)
        with self._marked(id_, mark):
            self._pool.trash.move(image, self._deferment or 0)
        if self._deferment is None:
            self._free(id_, image)

    @contextlib.contextmanager
    def _marked(self, id_: str, mark: _Mark) -> Iterator[None]:
        """Mark an image as deleted by us, before it is put out of sight."""
        self._mark(id_, mark)
        with undo.on_error(f'the mark of image id {id_}',
                           lambda: self._unmark(id_, mark)):
            yield

    def _mark(self, id_: str, mark: _Mark) -> None:
        if mark.move is None:
            self._pool.headers.update_id(id_, {mark.key: id_})
            return
        try:
            self._pool.headers.update_id(
                id_, {mark.key: id_}, (moving.KEY,),
                only_if={moving.KEY: moving.value(mark.move)})
        except errors.Stale as error:
            if self._pool.headers.value(id_, mark.key) == id_:
                return  # it was done, and the answer lost
            raise Abandoned(f'the move of {mark.move.image} was given up by '
                            'another host') from error

    def _unmark(self, id_: str, mark: _Mark) -> None:
        """Unless it is out of sight all the same: after a timeout."""
        if all(one.id != id_ for one in self._pool.trash.entries()):
            self._pool.headers.update_id(id_, {}, (mark.key,))

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
