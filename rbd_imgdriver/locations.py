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
"""Glance's location URLs: pure parsing.

What a location says is a claim: :mod:`rbd_imgdriver.trust` decides whether
it may be believed.

``rbd://<fsid>/<pool>/<image>/<snapshot>``, each part percent-encoded
(glance_store/_drivers/rbd.py), and ``cinder://<volume id>`` or
``cinder://<store>/<volume id>`` (glance_store/_drivers/cinder).
"""

from collections.abc import Iterable
import dataclasses
import urllib.parse
import uuid

from rbd_imgdriver import printable

_RBD = 'rbd://'
_CINDER = 'cinder://'


@dataclasses.dataclass(frozen=True)
class RbdLocation:
    """A snapshot in a Ceph cluster."""

    fsid: str
    pool: str
    image: str
    snapshot: str

    def __str__(self) -> str:
        return printable.one_line(
            f'{self.pool}/{self.image}@{self.snapshot}')


@dataclasses.dataclass(frozen=True)
class CinderLocation:
    """A Cinder volume that backs an image."""

    volume_id: str


@dataclasses.dataclass(frozen=True)
class Malformed:
    """A location of a scheme we know that says nothing we understand."""

    url: str
    reason: str

    @property
    def is_rbd(self) -> bool:
        """Whether it is of the scheme ``rbd``; else it is ``cinder``."""
        return self.url.startswith(_RBD)


def parse(url: str) -> RbdLocation | CinderLocation | Malformed | None:
    """Understand one location; None for other schemes."""
    if url.startswith(_RBD):
        return _parse_rbd(url)
    if url.startswith(_CINDER):
        return _parse_cinder(url)
    return None


def unique(urls: Iterable[str | None]) -> tuple[str, ...]:
    """The URLs in order, without the missing and the doubled ones."""
    return tuple(dict.fromkeys(url for url in urls if url))


def _parse_rbd(url: str) -> RbdLocation | Malformed:
    try:
        parts = [urllib.parse.unquote(part, errors='strict')
                 for part in url[len(_RBD):].split('/')]
    except UnicodeDecodeError:
        return Malformed(url, 'it is not percent-encoded UTF-8')
    if len(parts) != 4:
        return Malformed(url, 'it is not rbd://fsid/pool/image/snapshot')
    if not all(parts):
        return Malformed(url, 'it has an empty part')
    if any('\0' in part or '/' in part or '@' in part for part in parts):
        return Malformed(url, 'it has a part that is not an RBD name')
    return RbdLocation(*parts)


def _parse_cinder(url: str) -> CinderLocation | Malformed:
    parts = url[len(_CINDER):].split('/')
    if len(parts) > 2:
        return Malformed(url, 'it is not cinder://[store/]volume-id')
    try:
        volume_id = str(uuid.UUID(parts[-1]))
    except ValueError:
        return Malformed(url, 'it has no volume id')
    return CinderLocation(volume_id)
