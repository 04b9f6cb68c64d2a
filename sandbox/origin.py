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

"""How a volume came to be: what Ceph and the driver's notes say."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from sandbox import context
from sandbox import storage

NOTES = 'rbd-imgdriver/'
NOTE = re.compile(r'(?P<strategy>[\w-]+): (?P<code>[\w-]+) '
                  r'\((?P<reason>.*?)\)(?:; |$)')


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where one volume's data comes from.

    :param strategy: the driver's way, or '' if it left no note
    :param declined: (strategy, code, reason) of those that did not serve
    :param moved: bytes, or None if there is no note about them
    :param parent: the snapshot it is a clone of, or ''
    :param own: bytes the volume holds itself, apart from its parent
    """

    strategy: str
    declined: list[tuple[str, str, str]]
    moved: int | None
    parent: str
    own: int


def of(sandbox: context.Context, pool: str, volume: str) -> Origin:
    """Look at a volume's RBD image."""
    # Debian's package, there once the sandbox has been started.
    import rbd
    with storage.cluster(sandbox).connection() as cluster:
        with cluster.open_ioctx(pool) as ioctx, rbd.Image(
                ioctx, f'volume-{volume}', read_only=True) as image:
            moved = _note(image, 'bytes_moved')
            return Origin(
                strategy=_note(image, 'strategy'),
                declined=reasons(_note(image, 'declined')),
                moved=int(moved) if moved else None,
                parent=_parent(image), own=_own(image))


def reasons(note: str) -> list[tuple[str, str, str]]:
    """Take the driver's one line about declined strategies apart."""
    return [(found['strategy'], found['code'], found['reason'])
            for found in NOTE.finditer(note)]


def _note(image: Any, key: str) -> str:
    # One by one: Ceph 16's metadata_list() gives keys the values of others
    # where a value is empty.
    try:
        return str(image.metadata_get(NOTES + key))
    except KeyError:
        return ''


def _parent(image: Any) -> str:
    import rbd
    try:
        pool, name, snapshot = image.parent_info()
    except rbd.ImageNotFound:
        return ''
    return f'{pool}/{name}@{snapshot}'


def _own(image: Any) -> int:
    extents: list[int] = []
    image.diff_iterate(
        0, image.size(), None,
        lambda offset, length, exists: extents.append(length * exists),
        include_parent=False, whole_object=False)
    return sum(extents)
