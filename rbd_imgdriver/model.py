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
"""The values that a create deals with.  All are frozen; none does I/O."""

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import json
from typing import Any
from typing import Protocol

from rbd_imgdriver import printable

GIB = 1024 ** 3

METADATA_PREFIX = 'rbd-imgdriver/'
STRATEGY_KEY = METADATA_PREFIX + 'strategy'
DECLINED_KEY = METADATA_PREFIX + 'declined'
BYTES_MOVED_KEY = METADATA_PREFIX + 'bytes_moved'
PROGRESS_KEY = METADATA_PREFIX + 'progress'

# Marks.  An image is ours to remove if it carries its own id under one of
# these keys.  A name proves nothing, and a clone, which inherits metadata,
# has another id.
ENTRY_MARK = METADATA_PREFIX + 'cache/rbd_id'
PARTIAL_MARK = METADATA_PREFIX + 'partial/rbd_id'
DELETED_MARK = METADATA_PREFIX + 'deleted/rbd_id'
MOVED_MARK = METADATA_PREFIX + 'moved/rbd_id'

# What the name of an image begins with until an import has finished it.
PARTIAL_PREFIX = '.partial-'

# What the names of the cache's images begin with, and their one snapshot.
GOLDEN_PREFIX = 'image-cache-'
GOLDEN_SNAPSHOT = 'image'


def gib_for(size: int) -> int:
    """The size in GiB of a volume for these bytes: whole ones only."""
    return -(-size // GIB)


def whole_gib(size: int) -> int:
    """The bytes of those GiB."""
    return gib_for(size) * GIB


def is_marked(mark: str, rbd_id: str, metadata: Mapping[str, str]) -> bool:
    """Whether an image carries a mark.

    :param mark: one of the keys above
    :param rbd_id: Ceph's id of the image
    """
    return metadata.get(mark) == rbd_id


def note_of(rbd_id: str, text: str | None) -> dict[str, Any]:
    """The fields of a note that an image carries in its metadata, as JSON.

    :param rbd_id: Ceph's id of the image, which the note has to name: a clone
        inherits metadata, and what names another image is not meant for it
    :returns: empty when there is no such note, or none that can be read
    """
    try:
        fields = json.loads(text or '{}')
    except ValueError:
        return {}
    if isinstance(fields, dict) and fields.get('image_id') == rbd_id:
        return fields
    return {}


@dataclasses.dataclass(frozen=True)
class Image:
    """An image in Glance, as far as it matters here.

    :param id: its UUID
    :param disk_format: what Glance declares, for example ``qcow2``
    :param container_format: for example ``bare`` or ``compressed``
    :param size: bytes that Glance delivers, or None when unknown
    :param virtual_size: bytes that a guest sees, or None when unknown
    :param owner: project id, or None
    :param public: whether an administrator has published it to everybody
    :param hash_algo: of ``hash_value``, for example ``sha512``
    :param hash_value: hexadecimal digest of the data
    :param checksum: hexadecimal MD5 digest of the data
    :param updated_at: ISO 8601
    :param signature: identifies the signature that the data has to fit; ''
        when it has none, or signatures are not asked for
    :param locations: URLs where Glance keeps the data, in Glance's order
    """

    id: str
    name: str = ''
    disk_format: str = ''
    container_format: str = ''
    size: int | None = None
    virtual_size: int | None = None
    owner: str | None = None
    public: bool = False
    hash_algo: str | None = None
    hash_value: str | None = None
    checksum: str | None = None
    updated_at: str = ''
    signature: str = ''
    locations: tuple[str, ...] = ()

    @property
    def raw(self) -> bool:
        """Whether the data is the disk, byte for byte."""
        return (self.disk_format == 'raw'
                and self.container_format != 'compressed')

    @property
    def minimal_size(self) -> int | None:
        """The bytes that a volume of this image needs at least, if known."""
        if self.virtual_size:
            return self.virtual_size
        return self.size if self.raw else None


@dataclasses.dataclass(frozen=True)
class Target:
    """The volume that is wanted.

    :param volume_id: Cinder's id
    :param name: name of the RBD image to make
    :param size: in bytes
    :param project_id: the volume's owner
    :param replicated: whether its type wants RBD mirroring
    """

    volume_id: str
    name: str
    size: int
    project_id: str | None = None
    replicated: bool = False


@dataclasses.dataclass(frozen=True)
class ImageVolume:
    """A Cinder volume that is said to back an image.

    :param name: name of its RBD image
    :param project_id: the volume's owner
    :param of_service: whether that is Cinder's internal tenant or the
        project of the services, where no tenant can change anything
    :param image_id: the image that the volume's metadata says it holds
    :param image_owner: the owner of that image, likewise
    :param read_only: whether Cinder attaches the volume for reading only
    """

    id: str
    name: str
    project_id: str | None = None
    of_service: bool = False
    image_id: str | None = None
    image_owner: str | None = None
    read_only: bool = False
    encrypted: bool = False


class ImageVolumes(Protocol):
    """Where image volumes are looked up."""

    def image_volume(self, volume_id: str) -> ImageVolume | None:
        """The volume, or None when there is none of that id."""
        ...


class Events(Protocol):
    """A listener for what happens to the cache."""

    def cache(self, action: str, image_id: str) -> None:
        """Report a ``hit``, a ``miss`` or an ``evict``."""
        ...


@dataclasses.dataclass(frozen=True)
class Declined:
    """A strategy cannot serve this create; the next one may.

    :param code: short and stable, for example ``wrong-cluster``
    :param reason: one sentence for people
    """

    code: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Created:
    """The volume is there.

    :param parent: the snapshot it is a clone of, for the log; '' if none
    :param bytes_moved: bytes read from Glance or copied within the cluster
    :param strategy: the one that served in the end, when it is another than
        the one asked; for example a clone of what somebody else imported
    """

    parent: str = ''
    bytes_moved: int = 0
    strategy: str | None = None


class Verifier(Protocol):
    """Checks the signature of an image.

    ``signature`` identifies it, as in :class:`Image`.
    """

    signature: str

    def update(self, data: bytes) -> None:
        """Take the next bytes; called in a native thread."""
        ...

    def verify(self) -> None:
        """Compare, after the last byte.

        :raises rbd_imgdriver.errors.SignatureInvalid: when it does not fit
        """
        ...


class ImageData(Protocol):
    """Where an image's bytes come from."""

    def verifier(self) -> Verifier | None:
        """What checks the image's signature, if it has one to be checked.

        :raises rbd_imgdriver.errors.SignatureInvalid: when parts of the
            signature are missing
        """
        ...

    def read(self, offset: int = 0) -> Iterator[bytes]:
        """The data from ``offset`` on, in chunks of the server's choice.

        :raises rbd_imgdriver.errors.ImageGone: when Glance has it no longer
        :raises rbd_imgdriver.errors.DownloadFailed: when Glance fails
        """
        ...


@dataclasses.dataclass(frozen=True)
class Request:
    """One create: an image, the volume wanted, and what was tried before.

    :param declined: (strategy, answer) of each strategy tried before
    """

    image: Image
    target: Target
    data: ImageData
    volumes: ImageVolumes
    events: Events
    declined: tuple[tuple[str, Declined], ...] = ()

    def after(self, strategy: str, answer: Declined) -> 'Request':
        """The same create after one more strategy has declined."""
        return dataclasses.replace(
            self, declined=(*self.declined, (strategy, answer)))

    def record(self, strategy: str, bytes_moved: int = 0) -> dict[str, str]:
        """The metadata that says on the RBD image how it was made."""
        return {
            STRATEGY_KEY: strategy,
            # Never empty: librbd's Python binding shifts all that follows an
            # empty value when it lists metadata.
            DECLINED_KEY: describe(self.declined) or '-',
            BYTES_MOVED_KEY: str(bytes_moved),
        }


def describe(declined: Iterable[tuple[str, Declined]]) -> str:
    """Why each strategy declined, in one line."""
    return printable.one_line('; '.join(
        f'{name}: {answer.code} ({answer.reason})'
        for name, answer in declined))
