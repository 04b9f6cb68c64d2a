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
"""What deleted volumes have left in a pool, and what of it may go.

Cinder's driver leaves the snapshot ``<clone>.clone_snap`` on the source of
every clone, and a source deleted before its clones as ``<volume>.deleted``.
This driver leaves such things only when it is killed at the wrong moment.
"""

from collections.abc import Callable
from collections.abc import Iterator
import dataclasses
import time

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import usage as usages
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.ceph.wire import trash
from rbd_imgdriver.chain import names
from rbd_imgdriver.chain import ownership
from rbd_imgdriver.chain import release
from rbd_imgdriver.chain import snapshots
from rbd_imgdriver import model

SNAPSHOT = 'clone-snapshot'
DELETED = 'deleted-volume'
TRASHED = 'trash'
PARTIAL = 'partial'
NAME = 'name'

_CREATING = 'creating'


@dataclasses.dataclass(frozen=True)
class Leak:
    """Something that a deleted volume has left.

    :param kind: a clone snapshot without clones, a volume kept as
        ``.deleted``, an image in the trash, one that no import finished, or
        the name of one that is gone
    :param image_id: Ceph's internal id
    :param snapshot: its name when it is one, else ''
    :param size: bytes that its removal frees, about
    :param safe: whether nothing needs it
    :param reason: one sentence for people, why it is safe or not
    :param needed_by: ``<pool>/<image>`` of its clones, when they are all
        that keeps it
    """

    kind: str
    image: str
    image_id: str
    snapshot: str
    size: int
    safe: bool
    reason: str
    needed_by: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The image or snapshot."""
        return f'{self.image}@{self.snapshot}' if self.snapshot else self.image


class Leaks:
    """The remains in one pool.

    :param status_of: Cinder's status of a volume by its id, ``deleted`` or
        None when there is no such volume
    """

    def __init__(self, pool: parts.Pool, rules: names.Names,
                 status_of: Callable[[str], str | None]) -> None:
        self._pool = pool
        self._rules = rules
        self._status_of = status_of

    def find(self) -> list[Leak]:
        """Look for remains; reads every header of the pool.

        :returns: in an order in which they can be removed
        """
        return in_order(self._pool.name, list(self._find()))

    def _find(self) -> Iterator[Leak]:
        ids = self._pool.directory.ids()
        snapshots_of = self._pool.directory.snapshots(list(ids.values()))
        there = self._pool.directory.sizes(list(ids.values()))
        for image, image_id in ids.items():
            if image_id not in there:
                yield from self._existing(self._name, image, image_id)
            elif self._rules.is_deleted(image):
                yield from self._existing(self._deleted, image, image_id)
            elif image.startswith(model.PARTIAL_PREFIX):
                yield from self._existing(self._partial, image, image_id)
            for one in snapshots_of.get(image_id, ()):
                if release.is_unused(one):
                    yield from self._existing(self._snapshot, image,
                                              image_id, one.name)
        for entry in self._pool.trash.entries():
            if not self._rules.is_golden(entry.name):
                yield from self._existing(self._trashed, entry)

    def repair(self, leak: Leak) -> bool:
        """Remove a leak that is still there and still safe.

        Ancestors that were kept only for it go with it.

        :returns: whether it is gone
        """
        again = self._again(leak)
        if again is None:
            return True
        if not again.safe:
            return False
        if leak.kind == SNAPSHOT:
            snapshots.drop(self._pool, leak.image_id, leak.snapshot,
                           leak.snapshot, self._rules)
        elif leak.kind == NAME:
            self._pool.images.remove(leak.image, leak.image_id)
        else:
            parent = release.parent_of(self._pool, leak.image_id)
            if release.in_turn(lambda: release.free(
                    self._pool, leak.image_id, leak.image,
                    leak.kind == TRASHED, self._rules)):
                release.release(self._pool, parent, self._rules)
        return self._again(leak) is None

    def _again(self, leak: Leak) -> Leak | None:
        """The same leak as it is now, or None when it is gone."""
        if leak.kind == SNAPSHOT:
            found = self._existing(self._snapshot, leak.image, leak.image_id,
                                   leak.snapshot)
        elif leak.kind == NAME:
            found = self._existing(self._name, leak.image, leak.image_id)
        elif leak.kind == DELETED:
            found = self._existing(self._deleted, leak.image, leak.image_id)
        else:
            found = [one for entry in self._pool.trash.entries()
                     if entry.id == leak.image_id
                     for one in self._existing(self._trashed, entry)]
        return found[0] if found else None

    @staticmethod
    def _existing(look: Callable[..., Leak | None],
                  *args: object) -> list[Leak]:
        try:
            found = look(*args)
        except (errors.ImageNotFound, errors.SnapshotNotFound):
            return []  # gone meanwhile
        return [] if found is None else [found]

    def _snapshot(self, image: str, image_id: str,
                  snapshot: str) -> Leak | None:
        usage = self._pool.usage.of_snapshot(image_id, snapshot)
        if usage.children:
            return None  # of clone format 1, which the header does not count
        clone = snapshot.removesuffix(names.CLONE_SNAPSHOT)
        volume_id = self._rules.volume_id(clone)
        status = self._status_of(volume_id) if volume_id else None
        if status == _CREATING:
            safe, reason = False, f'{clone} is being made from it'
        else:
            safe, reason = True, 'it has no clones'
        return Leak(SNAPSHOT, image, image_id, snapshot, usage.held, safe,
                    reason)

    def _partial(self, image: str, image_id: str) -> Leak | None:
        """An image that is not whole; marked ones are the sweep's."""
        metadata = self._pool.headers.metadata_id(image_id)
        if (model.is_marked(model.PARTIAL_MARK, image_id, metadata)
                or model.is_marked(model.ENTRY_MARK, image_id, metadata)
                or self._pool.usage.is_watched(image_id)):
            return None
        return Leak(PARTIAL, image, image_id, '',
                    self._pool.usage.of(image).used, False,
                    'no mark shows that an import left it; "rbd rm" removes '
                    'it')

    def _name(self, image: str, image_id: str) -> Leak | None:
        """A name of a volume that is gone; others may be made just now."""
        if (self._rules.volume_id(image) is None
                or not self._pool.directory.is_headless(image)):
            return None
        return self._judged(NAME, image, image_id, usages.NOTHING)

    def _deleted(self, image: str, image_id: str) -> Leak:
        return self._judged(DELETED, image, image_id,
                            self._pool.usage.of(image))

    def _trashed(self, entry: trash.Trashed) -> Leak:
        try:
            usage = self._pool.usage.of_trashed(entry.id)
        except errors.ImageNotFound:
            usage = usages.NOTHING  # a removal that was cut short
        leak = self._judged(TRASHED, entry.name, entry.id, usage)
        if entry.deferred_until > time.time():
            reason = 'its deferral has not ended'
        elif self._rules.volume_id(entry.name) is None:
            reason = 'its name is not a volume\'s; "rbd trash rm" removes it'
        else:
            return leak
        return dataclasses.replace(leak, safe=False, reason=reason,
                                   needed_by=())

    def _has_moved(self, image_id: str) -> bool:
        """Whether the volume that Cinder knows is in another pool."""
        return model.is_marked(model.MOVED_MARK, image_id,
                               self._pool.headers.metadata_id(image_id))

    def _judged(self, kind: str, image: str, image_id: str,
                usage: usages.Usage) -> Leak:
        """An image that is out of sight, and whether it may go."""
        leak = Leak(kind, image, image_id, '', usage.used, False, '')
        volume_id = self._rules.volume_id(image)
        status = self._status_of(volume_id) if volume_id else None
        if ownership.is_known(status) and not self._has_moved(image_id):
            return dataclasses.replace(
                leak, reason=f'Cinder has volume {volume_id}, its status is '
                f'{status}')
        foreign = [one for one in usage.snapshots
                   if not names.is_internal_snapshot(one)]
        if foreign:
            return dataclasses.replace(
                leak, reason=f'somebody made snapshot {foreign[0]}')
        if usage.children:
            children = tuple(one.name for one in usage.children)
            return dataclasses.replace(leak, needed_by=children,
                                       reason=f'{_few(children)} need it')
        return dataclasses.replace(
            leak, safe=True,
            reason='nothing needs it and Cinder does not know it')


def in_order(pool: str, leaks: list[Leak]) -> list[Leak]:
    """Children before parents; what only safe leaks need is safe, too.

    :param pool: name of the pool that all of them are in
    """
    ordered = [leak for leak in leaks if leak.safe]
    waiting = [leak for leak in leaks if not leak.safe]
    going = {f'{pool}/{leak.image}' for leak in ordered if not leak.snapshot}
    while True:
        freed = [leak for leak in waiting
                 if leak.needed_by and going.issuperset(leak.needed_by)]
        if not freed:
            return ordered + waiting
        for leak in freed:
            waiting.remove(leak)
            going.add(f'{pool}/{leak.image}')
            ordered.append(dataclasses.replace(
                leak, safe=True,
                reason=f'only {_few(leak.needed_by)} need it and go first'))


def _few(children: tuple[str, ...]) -> str:
    text = ', '.join(children[:2])
    more = len(children) - 2
    return f'{text} and {more} more' if more > 0 else text
