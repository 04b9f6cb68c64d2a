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
"""A process that makes an encrypted volume and dies at a named step.

Started by tests, with one JSON object as its argument.
"""

import dataclasses
import json
import pathlib
import sys

from rbd_imgdriver.cache import ciphertext
from rbd_imgdriver.cache import encrypted
from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import pool as ceph_pool
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer import options
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver import model
from tests.functional.cache import mortal

GIB = 2**30
XTS = ('aes-256', 'xts', 'plain64')

# Each step, the operation of the pool that completes it, and how often that
# is done until then.  A volume that is made of an entry does what is in
# CLONED only.
CLONED = {
    'cloned': ('clones', 'clone', 1),
    'header-to-be-written': ('data', 'writer', 1),
    'renamed': ('images', 'rename', 1),
    'unmarked': ('headers', 'update', 1),
}
IMPORTED = {
    'leased': ('leases', 'acquire', 1),
    'created': ('images', 'create', 1),
    'header-to-be-written': ('data', 'writer', 1),
    'encrypted': ('data', 'reader', 1),  # the header is read to be kept
    'header-to-be-zeroed': ('data', 'writer', 2),
    'zeroed': ('data', 'reader', 2),  # and its place, to see that it is gone
    'to-be-published': ('leases', 'renew', 1),
    'snapshotted': ('snapshots', 'ensure', 1),
    'described': ('headers', 'update', 1),
    'published': ('images', 'rename', 1),
    'cloned': ('clones', 'clone', 1),
    'header-to-be-written-again': ('data', 'writer', 3),
    'volume-renamed': ('images', 'rename', 2),
}


@dataclasses.dataclass
class Keys:
    """A key manager that gives every passphrase it knows."""

    passphrases: dict[str, str]

    def passphrase(self, image: str) -> str | None:
        return self.passphrases.get(image)


def clones(pool: ceph_pool.Pool, directory: str) -> encrypted.EncryptedClones:
    filler = mortal.filler(pool, directory)
    return encrypted.EncryptedClones(
        filler.store, filler,
        image_importer.Importer(options.Options(directory)))


def wanted(image: model.Image, path: pathlib.Path, volume: str,
           passphrases: dict[str, str]) -> encrypted.Wanted:
    """A volume, whose own passphrase is among those given."""
    return encrypted.Wanted(
        image, mortal.Data(path), mortal.Events(), volume, GIB,
        ciphertext.Kind('project', '', XTS, 22),
        luks_header.Encryption(passphrases[volume], *XTS), Keys(passphrases),
        lambda moved: {})


def main() -> None:
    facts = json.loads(sys.argv[1])
    spec = connection.ClusterSpec('ceph', facts['conf'], 'cinder')
    pool = ceph_pool.Pool(connection.cluster(spec), 'volumes')
    mortal.mortal(pool, *facts['step'])
    path = pathlib.Path(facts['path'])
    clones(pool, str(path.parent)).make(wanted(
        model.Image(**facts['image']), path, facts['volume'],
        facts['passphrases']))


if __name__ == '__main__':
    main()
