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
"""Cinder's face: what is in the pool that Cinder could take over.

Results are those of Cinder's driver, which opens every image of the pool for
each page.  Here the directory gives the names, headers give what the order of
the page asks for, and only what the page shows is looked at more closely.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import json
from typing import Any

from cinder import exception
from cinder.volume.drivers import rbd as cinder_rbd
from cinder.volume import volume_utils

from rbd_imgdriver import backend
from rbd_imgdriver.cache import names
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.ceph.wire import header
from rbd_imgdriver.chain import names as chain_names
from rbd_imgdriver import model

Entry = dict[str, Any]

# What the API lets a page be sorted by.
_REFERENCE, _SIZE = 'reference', 'size'


class ManageableMixin(cinder_rbd.RBDDriver):
    """Taking over images, and lists of those that may be taken over."""

    @property
    def _backend(self) -> backend.Backend:
        """The parts of the backend; the driver makes them."""
        raise NotImplementedError

    def manage_existing_get_size(self, volume: Any,
                                 existing_ref: dict[str, str]) -> int:
        """The size in GiB of an image that Cinder is to take over.

        :raises cinder.exception.ManageExistingInvalidReference: when it is
            the cache's: the rename would lose the entry, and the volumes
            that are made of it meanwhile
        """
        self._refuse_internal(existing_ref)
        return int(super().manage_existing_get_size(volume, existing_ref))

    def manage_existing(self, volume: Any, existing_ref: dict[str, str],
                        ) -> dict[str, Any] | None:
        """Take over an image as a volume; not one of the cache's.

        :raises cinder.exception.ManageExistingInvalidReference: as
            :meth:`manage_existing_get_size`
        """
        self._refuse_internal(existing_ref)
        update: dict[str, Any] | None = super().manage_existing(
            volume, existing_ref)
        return update

    @staticmethod
    def _refuse_internal(existing_ref: dict[str, str]) -> None:
        if names.internal(existing_ref.get('source-name') or ''):
            raise exception.ManageExistingInvalidReference(
                existing_ref=existing_ref,
                reason='It is an image of the cache. "rbd-imgdriver-manage '
                'cache evict" removes it; a volume of its image is made '
                'with "volume create --image".')

    def get_manageable_volumes(
            self, cinder_volumes: list[dict[str, str]], marker: Any,
            limit: int, offset: int, sort_keys: list[str],
            sort_dirs: list[str]) -> list[Entry]:
        """The pool's images that Cinder may take over; not the cache's.

        What vanishes meanwhile is left out.
        """
        pool = self._backend.pool
        ids = {name: id_ for name, id_ in pool.directory.ids().items()
               if not names.internal(name)}
        order = _Order(sort_keys, sort_dirs)
        sizes: dict[str, int] = {}
        if order.needs(_SIZE):
            sizes = pool.directory.sizes(list(ids.values()))
        entries = [{_REFERENCE: {'source-name': name}, 'id': id_,
                    _SIZE: model.gib_for(sizes.get(id_, 0))}
                   for name, id_ in ids.items()
                   if not order.needs(_SIZE) or id_ in sizes]
        known = {one['id'] for one in cinder_volumes}
        found: list[Entry] = []
        # A page that an image has vanished from is filled up.
        for some in _pages(order.sorted(entries), marker, limit, offset):
            found += _volumes(pool, some[:limit - len(found)], known)
            if len(found) >= limit:
                break
        return found

    def get_manageable_snapshots(
            self, cinder_snapshots: list[dict[str, str]], marker: Any,
            limit: int, offset: int, sort_keys: list[str],
            sort_dirs: list[str]) -> list[Entry]:
        """The snapshots that Cinder may take over; not the cache's.

        Those that were removed and wait in Ceph for their last clone are
        nobody's any more; Cinder's driver shows them.
        """
        directory = self._backend.pool.directory
        ids = {name: id_ for name, id_ in directory.ids().items()
               if not names.internal(name)}
        snapshots = directory.snapshots(list(ids.values()))
        known = {one['id'] for one in cinder_snapshots}
        entries = [_snapshot(name, one, known) for name, id_ in ids.items()
                   for one in snapshots.get(id_, ())]
        order = _Order(sort_keys, sort_dirs)
        return next(_pages(order.sorted(entries), marker, limit, offset), [])


class _Order:
    """Sorts as ``paginate_entries_list`` of Cinder's volume_utils.

    That compares entries pair by pair; 100,000 of them take it minutes.
    """

    def __init__(self, keys: Sequence[str], directions: Sequence[str]) -> None:
        self._keys = [(key.strip(), direction != 'asc')
                      for key, direction in zip(keys, directions,
                                                strict=False)]

    def needs(self, key: str) -> bool:
        """Whether the order depends on a key of the entries."""
        return any(key == one for one, _ in self._keys)

    def sorted(self, entries: list[Entry]) -> list[Entry]:
        """The entries in this order.

        :raises cinder.exception.InvalidInput: when they have no such key
        """
        for key, descending in reversed(self._keys):
            if entries and key not in entries[0]:
                raise exception.InvalidInput(
                    reason=f'entries cannot be sorted by {key}')
            entries = sorted(entries, key=_value(key), reverse=descending)
        return entries


def _value(key: str) -> Callable[[Entry], Any]:
    def value(entry: Entry) -> Any:
        found = entry[key]
        return min(found.values()) if isinstance(found, dict) else found

    return value


def _pages(entries: list[Entry], marker: Any, limit: int,
           offset: int | None) -> Iterator[list[Entry]]:
    """The page that is asked for, and those that follow it.

    :raises cinder.exception.InvalidInput: when the marker cannot be used
    """
    start = _after(entries, marker) + (offset or 0)
    for at in range(start, len(entries), max(limit, 1)):
        yield entries[at:at + limit]


def _after(entries: list[Entry], marker: Any) -> int:
    if not marker:
        return 0
    if not isinstance(marker, dict):
        try:
            marker = json.loads(marker)
        except ValueError as error:
            raise exception.InvalidInput(
                reason=f'marker {marker} can not be analysed, please use json '
                'like format') from error
    for number, entry in enumerate(entries):
        if entry[_REFERENCE] == marker:
            return number + 1
    raise exception.InvalidInput(reason=f'marker not found: {marker}')


def _volumes(pool: parts.Pool, entries: list[Entry],
             known: set[str]) -> list[Entry]:
    """What the page says of images."""
    sizes = pool.directory.sizes([one['id'] for one in entries])
    cinder_ids = {
        one['id']: volume_utils.extract_id_from_volume_name(
            one[_REFERENCE]['source-name']) for one in entries}
    watched = pool.usage.watched([id_ for id_ in sizes
                                  if cinder_ids[id_] not in known])
    found = []
    for one in entries:
        id_, reference = one['id'], one[_REFERENCE]
        if id_ not in sizes:
            continue
        entry = {_REFERENCE: reference, _SIZE: model.gib_for(sizes[id_]),
                 'cinder_id': None, 'extra_info': None,
                 'safe_to_manage': False, 'reason_not_safe': None}
        if cinder_ids[id_] in known:
            entry['cinder_id'] = cinder_ids[id_]
            entry['reason_not_safe'] = 'already managed'
        elif id_ in watched:
            entry['reason_not_safe'] = 'volume in use'
        elif reference['source-name'].endswith(chain_names.DELETED):
            entry['reason_not_safe'] = 'volume marked as deleted'
        else:
            entry['safe_to_manage'] = True
        found.append(entry)
    return found


def _snapshot(image: str, one: header.Snapshot, known: set[str]) -> Entry:
    """What the page says of a snapshot."""
    entry = {_REFERENCE: {'source-name': one.name},
             _SIZE: model.gib_for(one.size),
             'cinder_id': None, 'extra_info': None, 'safe_to_manage': False,
             'reason_not_safe': None,
             'source_reference': {'source-name': image}}
    cinder_id = volume_utils.extract_id_from_snapshot_name(one.name)
    if cinder_id in known:
        entry['reason_not_safe'] = 'already managed'
        entry['cinder_id'] = cinder_id
    elif chain_names.is_clone_snapshot(one.name):
        entry['reason_not_safe'] = 'used for clone snap'
    elif one.name.startswith('backup') and '.snap.' in one.name:
        entry['reason_not_safe'] = 'used for volume backup'
    else:
        entry['safe_to_manage'] = True
    return entry
