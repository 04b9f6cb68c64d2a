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
"""Encrypted volumes as Cinder has them: their types, keys and records.

Cinder's own database, in a file, and a key manager that gives keys as
Barbican does: to users of the project that they belong to, and private ones
to their creator only.
"""

import dataclasses
import pathlib
import subprocess
from typing import Any
from typing import ClassVar
import uuid

from castellan.common import exception as castellan_exception
from castellan.common.objects import symmetric_key
from castellan.key_manager import key_manager
from cinder import context
from cinder.db import api as db
from cinder.db import migration
from cinder import objects
from cinder.volume import volume_types
from oslo_config import cfg
import rbd

from tests.functional import host

CONF = cfg.CONF
MIB = 2**20
XTS = ('aes-xts-plain64', 256)


@dataclasses.dataclass(frozen=True)
class Secret:
    """A key, and who may have it.

    :param user: None: everybody in the project
    """

    key: symmetric_key.SymmetricKey
    project: str
    user: str | None


class KeyManager(key_manager.KeyManager):
    """Barbican, as far as Cinder asks it."""

    secrets: ClassVar[dict[str, Secret]] = {}
    private: ClassVar[bool] = False

    def __init__(self, configuration: Any) -> None:
        """Castellan makes one for each request."""

    def create_key(self, context: Any, algorithm: str, length: int,
                   **_more: Any) -> str:
        key = symmetric_key.SymmetricKey(
            algorithm, length, uuid.uuid4().bytes * (length // 128))
        return self.store(context, key)

    def store(self, context: Any, managed_object: Any, **_more: Any) -> str:
        ident = str(uuid.uuid4())
        self.secrets[ident] = Secret(
            managed_object, context.project_id,
            context.user_id if self.private else None)
        return ident

    def get(self, context: Any, managed_object_id: str,
            metadata_only: bool = False) -> Any:
        secret = self.secrets.get(managed_object_id)
        if secret is None:
            raise castellan_exception.ManagedObjectNotFoundError(
                uuid=managed_object_id)
        if context.project_id != secret.project or (
                secret.user not in (None, context.user_id)):
            raise castellan_exception.Forbidden
        return secret.key

    def delete(self, context: Any, managed_object_id: str,
               force: bool = False) -> None:
        self.get(context, managed_object_id)
        del self.secrets[managed_object_id]

    def create_key_pair(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def add_consumer(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def remove_consumer(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


def prepare() -> None:
    """Make the database, and name the key manager; once."""
    migration.db_sync()
    objects.register_all()
    key_manager_class = f'{KeyManager.__module__}.{KeyManager.__name__}'
    CONF.import_group('key_manager', 'castellan.key_manager')
    CONF.set_override('backend', key_manager_class, group='key_manager')


def request(project: str = host.PROJECT, user: str = 'user',
            ) -> context.RequestContext:
    """The context of a user's request, as the create flow has it."""
    return context.RequestContext(user, project, is_admin=False).elevated()


def volume_type(cipher: str = XTS[0], key_size: int = XTS[1],
                **extra_specs: str) -> str:
    """Make a volume type; its id."""
    admin = context.get_admin_context()
    ident = volume_types.create(admin, f'luks-{uuid.uuid4()}',
                                extra_specs).id
    db.volume_type_encryption_create(admin, ident, {
        'provider': 'luks', 'cipher': cipher, 'key_size': key_size,
        'control_location': 'front-end'})
    return ident


def volume(asked_by: context.RequestContext, type_id: str,
           **facts: Any) -> objects.Volume:
    """A volume of an encrypted type that the API has let in, with its key."""
    bits = 256
    key = KeyManager(None).create_key(asked_by, 'aes', bits)
    made = objects.Volume(asked_by, **{
        'size': 1, 'project_id': asked_by.project_id,
        'user_id': asked_by.user_id, 'host': 'test@backend#backend',
        'status': 'creating', 'attach_status': 'detached', 'use_quota': True,
        'volume_type_id': type_id, 'encryption_key_id': key, **facts})
    made.create()
    return made


def passphrase(of: objects.Volume) -> str:
    """What opens a volume."""
    return KeyManager.secrets[of.encryption_key_id].key.get_encoded().hex()


def opened(cluster: Any, directory: pathlib.Path, name: str, key: str,
           length: int) -> bytes | None:
    """What QEMU sees in a volume of ``volumes``; None if it cannot open it.

    :param key: the passphrase
    :param length: bytes from the disk's beginning
    """
    container, plain = directory / 'container', directory / 'plain'
    with cluster.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, name, read_only=True) as image, \
            container.open('wb') as file:
        file.write(image.read(0, 32 * MIB))
        file.truncate(image.size())
    done = subprocess.run(
        ['qemu-img', 'convert', '-O', 'raw', '--object',
         f'secret,id=key,data={key}', '--image-opts',
         f'driver=raw,size={max(length, 512)},file.driver=luks,'
         'file.key-secret=key,file.file.driver=file,'
         f'file.file.filename={container}', plain], check=False,
        stderr=subprocess.DEVNULL)
    return None if done.returncode else plain.read_bytes()[:length]
