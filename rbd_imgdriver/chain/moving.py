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
"""That an image is being moved to another pool, as it is written on it.

As long as the note is there the image counts and a copy of it does not.
Whoever is to delete the image, and whoever takes the move for a dead one and
removes the copy, changes the note in one operation that compares it: only
one of the two can.
"""

import contextlib
import dataclasses
import json

from oslo_log import log as logging

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver import model

LOG = logging.getLogger(__name__)

# Seconds after the note within which the copy is made; more than clocks may
# differ.  What an operator has copied there is older or younger.
_SOON = 120.0

KEY = model.METADATA_PREFIX + 'move'


@dataclasses.dataclass(frozen=True)
class Move:
    """One attempt to move an image.

    :param image_id: its internal id
    :param image: its name, and that of its copy
    :param pool: the other pool
    :param begun: when there was no image of that name there yet, in seconds
        since the epoch
    :param token: of this attempt alone; '' when it was given up
    """

    image_id: str
    image: str
    pool: str
    begun: float
    token: str


def value(move: Move) -> str:
    """The note as a metadata value."""
    return json.dumps(dataclasses.asdict(move), sort_keys=True)


def parse(image_id: str, text: str | None) -> Move | None:
    """The note that an image carries, or None."""
    try:
        return Move(**model.note_of(image_id, text))
    except TypeError:
        return None


def noted(pool: parts.Pool, image_id: str) -> Move | None:
    """The move that is noted on an image, or None."""
    return parse(image_id, pool.headers.value(image_id, KEY))


def give_up(pool: parts.Pool, move: Move) -> None:
    """Remove the copy that a move has made; its image stays what it is.

    The copy is looked for before the note is changed, and removed
    afterwards, by its id: by then nobody deletes the image for it, and what
    comes later under that name is another's.

    :param pool: of the image
    :raises errors.CephError: when the copy stays; the note stays, too
    """
    target = pool.sibling(move.pool)
    copy = target.directory.named(move.image)
    given_up = dataclasses.replace(move, token='')
    try:
        pool.headers.update_id(move.image_id, {KEY: value(given_up)},
                               only_if={KEY: value(move)})
    except errors.Stale:
        return  # the image is being deleted, or moved once more
    if copy is not None:
        _remove(target, move, copy)
    forget(pool, given_up)


def forget(pool: parts.Pool, move: Move) -> None:
    """Remove a note, unless there is another one by now."""
    with contextlib.suppress(errors.Stale):
        pool.headers.update_id(move.image_id, {}, (KEY,),
                               only_if={KEY: value(move)})


def _remove(target: parts.Pool, move: Move, copy: directory.Named) -> None:
    if not _is_copy(target, move, copy):
        LOG.warning('%(pool)s/%(image)s is left alone: it was not made when '
                    'the image was about to be moved there',
                    {'pool': move.pool, 'image': move.image})
        return
    if copy.metadata is not None:
        target.snapshots.drop_where(copy.id, lambda _: True)
    target.images.remove(move.image, copy.id)
    LOG.info('Removed %(pool)s/%(image)s: the image was about to be moved '
             'there', {'pool': move.pool, 'image': move.image})


def _is_copy(target: parts.Pool, move: Move, copy: directory.Named) -> bool:
    """Whether an image is what a move has made; also before it has a header.

    In the middle of a copy nothing else is certain, not even its size.
    """
    if copy.metadata is None:
        return True
    return any(one.id == copy.id and abs(one.created - move.begun) < _SOON
               for one in target.directory.listed(move.image))
