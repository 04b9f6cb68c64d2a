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
"""Turning a LUKS container into a ciphertext without a header."""

import contextlib

from rbd_imgdriver import blocking
from rbd_imgdriver.cache import ciphertext
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.importer import copying
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver.importer.source import cluster

# Bytes of the header, and so of what is read of a container.
LENGTH = luks_header.PAYLOAD_SECTOR * luks_header.SECTOR


class Stripping:
    """Takes the header off one container, and keeps it.

    :param pool: of the container

    :ivar header: of the container; None when somebody else has imported
    """

    def __init__(self, pool: parts.Pool, encryption: luks_header.Encryption,
                 kind: ciphertext.Kind) -> None:
        self._pool = pool
        self._encryption = encryption
        self._kind = kind
        self.header: bytes | None = None

    def strip(self, whole: image_importer.Imported) -> dict[str, str]:
        """Take the header off, so that no passphrase opens the rest.

        :returns: the metadata of the ciphertext
        """
        pool = self._pool
        header = luks_header.in_container(
            beginning(pool, whole.name), self._encryption)
        known = header and luks_header.parse(header)
        if not header or not known:
            raise ceph_errors.CephError(f'{whole.name} has no LUKS 1 header')
        with copying.writing(pool, whole.name) as writer:
            blocking.run(writer.zero, 0, len(header))
        if any(beginning(pool, whole.name)[:len(header)]):
            raise ceph_errors.CephError(f'{whole.name} kept its LUKS header')
        self.header = header
        return ciphertext.metadata(self._kind, known.fingerprint)


def beginning(pool: parts.Pool, name: str) -> bytes:
    """What an image holds where a header would be."""
    found = bytearray(LENGTH)
    with contextlib.closing(cluster.Source(pool, name, 0).pieces()) as pieces:
        for offset, data in pieces:
            part = data[:max(LENGTH - offset, 0)]
            found[offset:offset + len(part)] = part
            if offset + len(data) >= LENGTH:
                break  # before more is read
    return bytes(found)
