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
"""The arguments of qemu-img: pure functions from values to words.

Formats are always given, never probed; a backing file is ruled out in the
source's own options; files and secrets are named by inherited descriptors.
"""

from collections.abc import Mapping
import dataclasses
import json
from typing import Any

from rbd_imgdriver.importer.check import formats
from rbd_imgdriver.importer.qemu import memfd

# Formats that have a way to name another file in their own data; qemu must
# not follow it, whatever the checks have missed.
_BACKED = frozenset({'qcow2', 'qed', 'vmdk'})


@dataclasses.dataclass(frozen=True)
class Node:
    """Where an image's bytes are, as options of a qemu block driver.

    :param inherited: descriptors that the options name
    :param arguments: of qemu-img, which the options refer to; one for each
        thing
    """

    options: Mapping[str, str]
    inherited: tuple[int, ...] = ()
    arguments: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Source:
    """The disk inside an image, or a part of it.

    :param disk_format: Glance's name
    :param start: of the part, in bytes
    :param length: of the part, in bytes; None: all
    """

    disk_format: str
    node: Node
    start: int = 0
    length: int | None = None

    @property
    def name(self) -> str:
        """Its format and its place, and nothing else."""
        options: dict[str, Any] = {
            'driver': formats.qemu_driver(self.disk_format),
            'read-only': True, 'file': dict(self.node.options)}
        if self.disk_format in _BACKED:
            options['backing'] = None
        if self.length is not None:
            options = {'driver': 'raw', 'read-only': True, 'file': options,
                       'offset': self.start, 'size': self.length}
        return 'json:' + json.dumps(options)


@dataclasses.dataclass(frozen=True)
class Target:
    """Where a disk is written.

    :param driver: qemu's name of the format
    :param options: of that format
    """

    driver: str
    node: Node
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """In the only notation that targets have."""
        pairs = {'driver': self.driver, **self.options}
        pairs |= {f'file.{key}': value
                  for key, value in self.node.options.items()}
        return ','.join(f'{key}={value.replace(",", ",,")}'
                        for key, value in pairs.items())


@dataclasses.dataclass(frozen=True)
class Facts:
    """What qemu-img says of an image.

    :param virtual_size: bytes of the disk inside
    :param details: its whole answer
    """

    virtual_size: int
    details: Mapping[str, Any]


def local(descriptor: int) -> Node:
    """A file that qemu-img inherits."""
    return Node({'driver': 'file', 'filename': memfd.path(descriptor),
                 'locking': 'off'}, (descriptor,))


def secret(name: str, descriptor: int, encoding: str) -> tuple[str, ...]:
    """The argument that makes a secret known.

    :param descriptor: of a file with the secret
    :param encoding: ``raw`` or ``base64``
    """
    return (f'--object=secret,id={name},format={encoding},'
            f'file={memfd.path(descriptor)}',)


def facts(answer: str) -> Facts:
    """Understand ``qemu-img info --output=json``.

    :raises ValueError: when it is not such an answer
    """
    details = json.loads(answer)
    try:
        return Facts(int(details['virtual-size']), details)
    except (KeyError, TypeError) as error:
        raise ValueError(f'no size in {answer[:100]!r}') from error


def objection(found: Facts) -> str | None:
    """Why an image must not be converted, by qemu's own account.

    The second look after the inspection's, should the two differ.  Key names
    are those of qapi/block-core.json.

    :returns: a sentence, or None
    """
    specific = found.details.get('format-specific', {}).get('data', {})
    if found.details.get('encrypted'):
        return 'it is encrypted, and nobody has its key here'
    for key in ('backing-filename', 'full-backing-filename'):
        if found.details.get(key):
            return 'it has a backing file'
    if specific.get('data-file'):
        return 'it has a data file'
    return None
