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
"""The volumes of one golden ciphertext, and the master key that they share.

A sibling is a volume of the same project that was cloned from the ciphertext
before.  Its header counts only with the fingerprint that was noted when the
ciphertext was written, and its passphrase only if the request itself may have
it from the key manager.
"""

from collections.abc import Callable
from typing import Protocol

from oslo_log import log as logging

from rbd_imgdriver.cache import ciphertext
from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.cache import stripping
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver.importer import temporary

LOG = logging.getLogger(__name__)

# Siblings that are tried at most: each costs a question to the key manager.
_MOST_SIBLINGS = 20

# Seconds for which a new ciphertext may have no volume yet: its importer is
# just cloning it.
_PATIENCE = 30.0
_POLL = 0.5


class NotCloned(Exception):
    """The volume has to be imported instead.

    :param code: short and stable, for example ``no-sibling``
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class NoSibling(Exception):
    """No volume is left whose key would open a ciphertext."""


class NoSuchKey(Exception):
    """No request of the project can get a volume's key any more."""


class Keys(Protocol):
    """What a request's own context may fetch from the key manager."""

    def passphrase(self, image: str) -> str | None:
        """The passphrase of the volume that an RBD image is.

        :returns: None when this request may not have the key
        :raises NoSuchKey: when nobody of the project may: it is not a volume
            of the project, or its key is gone
        """
        ...


class Siblings:
    """Makes headers of the headers of other volumes.

    :param clock: seconds since the epoch
    :param sleep: waits some seconds; the tests' own clock may
    """

    def __init__(self, store: cache_store.Store,
                 importer: image_importer.Importer,
                 clock: Callable[[], float],
                 sleep: Callable[[float], None]) -> None:
        self._store = store
        self._importer = importer
        self._clock = clock
        self._sleep = sleep

    def header(self, golden: str, found: entry.Entry,
               facts: ciphertext.Facts, encryption: luks_header.Encryption,
               keys: Keys) -> bytes:
        """A header for a new volume, made of a sibling's.

        :param encryption: of the new volume
        :raises NoSibling: when there is none
        :raises NotCloned: when no sibling's key can be had
        """
        tried: set[str] = set()
        useless: set[str] = set()
        failed: confined.Failed | None = None
        # The latest is known without a look at all of them.
        known = [facts.sibling] if facts.sibling else []
        while True:
            for image in known:
                tried.add(image)
                try:
                    header = self._rekeyed(image, facts, encryption, keys)
                except NoSuchKey as error:
                    LOG.debug('Volume %(image)s is of no use: %(error)s',
                              {'image': image, 'error': error})
                    useless.add(image)
                except confined.Failed as error:
                    LOG.info('The header of %(image)s cannot be used: '
                             '%(error)s', {'image': image, 'error': error})
                    failed = error
                else:
                    if header is not None:
                        return header
            children = names(self._store, golden)
            known = [name for name in children if name not in tried]
            known = known[:_MOST_SIBLINGS - len(tried)]
            if known:
                continue
            if failed is not None:
                raise NotCloned('no-header', f'of the volumes of {golden} no '
                                f'header can be made: {failed}')
            if not useless.issuperset(children):
                raise NotCloned(
                    'no-key', f'{golden} has {len(children)} volumes, and '
                    'this request may use the key of none of them')
            # Whoever made the ciphertext may be about to finish the first.
            if children or self._clock() - found.created > _PATIENCE:
                raise NoSibling
            self._sleep(_POLL)

    def _rekeyed(self, image: str, facts: ciphertext.Facts,
                 encryption: luks_header.Encryption,
                 keys: Keys) -> bytes | None:
        """A header made of a volume's; None when that does not work now.

        :raises NoSuchKey: when it never will for anybody
        :raises confined.Failed: when cryptsetup cannot make one
        """
        try:
            beginning = stripping.beginning(self._store.pool, image)
        except ceph_errors.CephError as error:
            LOG.debug('Volume %(image)s cannot be read: %(error)s',
                      {'image': image, 'error': error})
            return None
        header = luks_header.in_container(beginning, encryption)
        known = header and luks_header.parse(header)
        if not header or not known or known.fingerprint != facts.fingerprint:
            raise NoSuchKey('it has another master key')
        passphrase = keys.passphrase(image)
        if passphrase is None:
            return None
        return self._importer.rekeyed(header, passphrase, encryption)


def names(store: cache_store.Store, golden: str) -> list[str]:
    """Names of the volumes of a ciphertext.

    Those that are being made, or whose maker died, have no header yet.
    """
    prefix = f'{store.pool.name}/'
    found = [one.name.removeprefix(prefix)
             for one in store.pool.usage.of(golden).children
             if one.name.startswith(prefix) and not one.trashed]
    return [name for name in found if not name.startswith(temporary.PREFIX)]
