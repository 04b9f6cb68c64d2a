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
"""Reads how Cinder wants a volume to be encrypted."""

from collections.abc import Callable
import dataclasses
from typing import Any

from castellan.common import exception as castellan_exception
from castellan import key_manager
from cinder import context
from cinder import exception
from cinder.image import image_utils
from cinder import objects
from cinder.volume import volume_types
from cinder.volume import volume_utils
from oslo_config import cfg
from oslo_log import log as logging

from rbd_imgdriver.cache import siblings
from rbd_imgdriver.importer.qemu import luks_header

LOG = logging.getLogger(__name__)
CONF = cfg.CONF


def encryption_of(where: Any, volume: Any) -> luks_header.Encryption:
    """How a volume is to be encrypted, as Cinder's RBD driver finds it.

    :param where: the request's context
    :raises cinder.exception.CinderException: when its type cannot be used
    """
    facts = volume_utils.check_encryption_provider(volume, where)
    passphrase = _passphrase(where, facts['encryption_key_id'])
    if not passphrase:
        raise exception.VolumeDriverException(
            message=f'The encryption key of volume {volume.id} is empty')
    return luks_header.Encryption(
        passphrase, *cipher_of(facts['cipher'], facts['key_size']))


def cipher_of(specification: str, key_size: int) -> tuple[str, str, str]:
    """The cipher of a volume type, as QEMU and LUKS headers name it.

    A type may give the size of both keys of XTS, as dm-crypt counts, where
    QEMU asks for that of one; and leave out the hash of ESSIV, where QEMU
    takes SHA-256.

    :returns: see :attr:`luks_header.Encryption.cipher`
    :raises cinder.exception.CinderException: when it is not a cipher
    """
    cipher = image_utils.decode_cipher(specification, key_size)
    algorithm, mode, ivgen = (
        cipher['cipher_alg'], cipher['cipher_mode'], cipher['ivgen_alg'])
    if (algorithm, mode) == ('aes-512', 'xts'):
        algorithm = 'aes-256'
    if ivgen == 'essiv':
        ivgen = 'essiv:sha256'
    return algorithm, mode, ivgen


@dataclasses.dataclass(frozen=True)
class EncryptedType:
    """A volume type whose volumes are encrypted.

    :param cipher: see :attr:`luks_header.Encryption.cipher`
    """

    id: str
    cipher: tuple[str, str, str]


def encrypted_type(name: str) -> EncryptedType | None:
    """How volumes of a type are encrypted; None when they are not.

    :param name: of the type, or its id
    :raises cinder.exception.CinderException: when there is none of that name
    """
    admin = context.get_admin_context()
    found = volume_types.get_by_name_or_id(admin, name)
    facts = volume_types.get_volume_type_encryption(admin, found['id'])
    if not facts:
        return None
    return EncryptedType(str(found['id']),
                         cipher_of(facts['cipher'], facts['key_size']))


class ProjectKeys:
    """Keys of a project's volumes, fetched with a request's own context.

    Whether a request may have a key is the key manager's decision; that a
    volume is the project's is Cinder's database's.

    :param where: the request's context
    :param project_id: of the volume that is being made
    :param volume_id_of: finds the volume's id from its RBD image's name
    """

    def __init__(self, where: Any, project_id: str,
                 volume_id_of: Callable[[str], str | None]) -> None:
        self._context = where
        self._project_id = project_id
        self._volume_id_of = volume_id_of

    def passphrase(self, image: str) -> str | None:
        """See :meth:`rbd_imgdriver.cache.siblings.Keys.passphrase`."""
        volume_id = self._volume_id_of(image)
        if volume_id is None:
            raise siblings.NoSuchKey('it is not a volume')
        try:
            volume = objects.Volume.get_by_id(self._context.elevated(),
                                              volume_id)
            if (volume.project_id != self._project_id
                    or not volume.encryption_key_id):
                raise siblings.NoSuchKey('it is not of the project')
            return _passphrase(self._context, volume.encryption_key_id)
        except (exception.VolumeNotFound,
                castellan_exception.ManagedObjectNotFoundError) as error:
            raise siblings.NoSuchKey(str(error)) from error
        except (exception.CinderException,
                castellan_exception.CastellanException) as error:
            LOG.info('The key of volume %(volume)s is not used for another: '
                     '%(error)s', {'volume': volume_id, 'error': error})
            return None


def _passphrase(where: Any, key_id: str) -> str:
    """As os-brick, QEMU and Cinder make it of a key."""
    return (key_manager.API(CONF).get(where, key_id).get_encoded()
            or b'').hex()
