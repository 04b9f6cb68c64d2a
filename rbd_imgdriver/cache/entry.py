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
"""A cache entry as its golden image's metadata describes it."""

from collections.abc import Mapping
import dataclasses
import enum

from rbd_imgdriver.cache import ciphertext
from rbd_imgdriver.cache import names
from rbd_imgdriver.ceph.wire import directory
from rbd_imgdriver import model

_PREFIX = model.METADATA_PREFIX + 'cache/'
# A clone inherits metadata, so the key alone does not make an entry: it has
# to name the very image that carries it.
ID_KEY = model.ENTRY_MARK
_IMAGE_ID = _PREFIX + 'image_id'
_IMAGE_NAME = _PREFIX + 'image_name'
_IDENTITY = _PREFIX + 'identity'
_CREATED = _PREFIX + 'created'
_LAST_USED = _PREFIX + 'last_used'
_PINNED = _PREFIX + 'pinned'
_HELD = _PREFIX + 'held'
_DATA_SIZE = _PREFIX + 'data_size'
_SIGNATURE = _PREFIX + 'signature'


@dataclasses.dataclass(frozen=True)
class Entry:
    """One golden image.

    :param name: of the golden RBD image
    :param size: bytes of the golden image
    :param identity: ``<algorithm>:<digest>`` of the data in Glance
    :param created: seconds since the epoch
    :param last_used: seconds since the epoch, exact to a minute or so
    :param pinned: whether it is kept whatever the limits
    :param held: whether it is kept, too, because the image is marked
    :param data_size: bytes from the beginning whose digest is the identity;
        None when the data was converted and has another
    :param signature: of the image, that the import has verified; '' if none
    :param encryption: what is known of it if it is a golden ciphertext
    """

    name: str
    image_id: str
    image_name: str
    identity: str
    size: int
    created: float
    last_used: float
    pinned: bool = False
    data_size: int | None = None
    signature: str = ''
    encryption: ciphertext.Facts | None = None
    held: bool = False

    @property
    def encrypted(self) -> bool:
        """Whether it is a golden ciphertext."""
        return self.encryption is not None

    def verified(self, image: model.Image) -> bool:
        """Whether the image's signature, if it needs one, was verified.

        The signature is of the data in Glance, and the import that made this
        entry has checked it; the identity says that it is the same data.
        """
        return not image.signature or (
            (self.image_id, self.identity, self.signature)
            == (image.id, names.identity(image), image.signature))


def facts(image: model.Image, rbd_id: str, now: float,
          as_is: bool = True) -> dict[str, str]:
    """The metadata that makes an RBD image a cache entry.

    :param image: whose signature, if it needs one, the import has verified
    :param rbd_id: Ceph's id of that RBD image
    :param now: seconds since the epoch
    :param as_is: whether it holds the disk itself and not its ciphertext
    """
    exact = as_is and image.raw and image.size
    known = {_DATA_SIZE: str(image.size)} if exact else {}
    if image.signature:
        known[_SIGNATURE] = image.signature
    return {
        **known,
        ID_KEY: rbd_id,
        _IMAGE_ID: image.id,
        _IMAGE_NAME: image.name,
        _IDENTITY: names.identity(image),
        _CREATED: f'{now:.3f}',
        _LAST_USED: f'{now:.3f}',
    }


def is_own(rbd_id: str, metadata: Mapping[str, str]) -> bool:
    """Whether an RBD image was made by the cache.

    The name proves nothing, and a clone that inherits the metadata has
    another id.

    :param rbd_id: Ceph's id of that RBD image
    """
    return model.is_marked(ID_KEY, rbd_id, metadata)


class State(enum.Enum):
    """What the name of a golden image leads to."""

    ABSENT = 'nothing'
    ENTRY = 'a golden image with its snapshot'
    BROKEN = 'a golden image without its snapshot'
    HALF_RENAMED = 'a golden image whose publication was cut short'
    DANGLING = 'an image that is gone'
    FOREIGN = 'an image of another origin'


def state(golden: str, named: directory.Named | None) -> State:
    """What the name of a golden image leads to.

    :param named: what Ceph has under that name
    """
    if named is None:
        return State.ABSENT
    if named.metadata is None:
        return State.DANGLING
    if not is_own(named.id, named.metadata):
        return State.FOREIGN
    if named.name != golden:
        return State.HALF_RENAMED
    if names.SNAPSHOT not in named.snapshots:
        return State.BROKEN
    return State.ENTRY


def used(now: float) -> dict[str, str]:
    """The metadata that records a use."""
    return {_LAST_USED: f'{now:.3f}'}


def pin() -> dict[str, str]:
    """The metadata that pins an entry."""
    return {_PINNED: 'true'}


def unpin() -> tuple[str, ...]:
    """The metadata keys whose removal unpins an entry."""
    return (_PINNED,)


def hold() -> dict[str, str]:
    """The metadata of an entry that is kept because its image is marked."""
    return {_HELD: 'true'}


def release() -> tuple[str, ...]:
    """The metadata keys whose removal lets it go again."""
    return (_HELD,)


def parse(name: str, rbd_id: str, size: int,
          metadata: Mapping[str, str]) -> Entry | None:
    """The entry that an RBD image is, or None when it is not one."""
    if not is_own(rbd_id, metadata):
        return None
    created = float(metadata.get(_CREATED, 0))
    data_size = metadata.get(_DATA_SIZE)
    return Entry(
        name=name,
        image_id=metadata.get(_IMAGE_ID, ''),
        image_name=metadata.get(_IMAGE_NAME, ''),
        identity=metadata.get(_IDENTITY, ''),
        size=size,
        created=created,
        last_used=float(metadata.get(_LAST_USED, created)),
        pinned=metadata.get(_PINNED) == 'true',
        data_size=None if data_size is None else int(data_size),
        signature=metadata.get(_SIGNATURE, ''),
        encryption=ciphertext.facts(metadata),
        held=metadata.get(_HELD) == 'true')
