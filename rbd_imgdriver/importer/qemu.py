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
"""What qemu-img is told: pure functions from values to its arguments.

Formats are always given, never probed; a backing file is ruled out in the
source's own options; files and secrets are named by inherited descriptors.
"""

from collections.abc import Mapping
import dataclasses
import json
from typing import Any

from rbd_imgdriver.importer import formats
from rbd_imgdriver.importer import memory

# An image that is opened for reading has these ways to name other files in
# its own data; qemu shall not follow them, whatever the checks have missed.
_BACKED = frozenset({'qcow2', 'qed', 'vmdk'})


@dataclasses.dataclass(frozen=True)
class Node:
    """Where an image's bytes are, as options of a qemu block driver.

    :param inherited: descriptors that the options name
    :param arguments: of qemu-img, which the options refer to
    """

    options: Mapping[str, str]
    inherited: tuple[int, ...] = ()
    arguments: tuple[str, ...] = ()


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
    return Node({'driver': 'file', 'filename': memory.path(descriptor),
                 'locking': 'off'}, (descriptor,))


def secret(name: str, descriptor: int, encoding: str) -> tuple[str, ...]:
    """Arguments that make a secret known.

    :param descriptor: of a file with the secret
    :param encoding: ``raw`` or ``base64``
    """
    return ('--object', f'secret,id={name},format={encoding},'
            f'file={memory.path(descriptor)}')


def source(disk_format: str, node: Node) -> str:
    """The name of a source: its format and its place, and nothing else.

    :param disk_format: Glance's name
    """
    options: dict[str, Any] = {
        'driver': formats.qemu_driver(disk_format), 'read-only': True,
        'file': dict(node.options)}
    if disk_format in _BACKED:
        options['backing'] = None
    return 'json:' + json.dumps(options)


def target(driver: str, node: Node,
           options: Mapping[str, str] | None = None) -> str:
    """The same for a target, in the only notation that targets have."""
    pairs = {'driver': driver, **(options or {})}
    pairs |= {f'file.{key}': value for key, value in node.options.items()}
    return ','.join(f'{key}={value.replace(",", ",,")}'
                    for key, value in pairs.items())


def facts(answer: str) -> Facts:
    """Understand ``qemu-img info --output=json``."""
    details = json.loads(answer)
    return Facts(int(details['virtual-size']), details)


def objection(disk_format: str, found: Facts,
              vmdk_types: tuple[str, ...]) -> str | None:
    """Why an image must not be converted, by qemu's own account.

    The second look after the inspection's: qemu is what would follow a
    reference.  Key names are those of qapi/block-core.json.

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
    create_type = specific.get('create-type')
    if disk_format == 'vmdk' and create_type not in vmdk_types:
        return (f'its VMDK type is {create_type}; allowed are: '
                f'{", ".join(vmdk_types) or "none"} (vmdk_allowed_types)')
    return None
