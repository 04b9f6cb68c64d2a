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

from typing import Any

from castellan import key_manager
from cinder import exception
from cinder.image import image_utils
from cinder.volume import volume_utils
from oslo_config import cfg

from rbd_imgdriver.importer.qemu import luks_header

CONF = cfg.CONF


def encryption_of(context: Any, volume: Any) -> luks_header.Encryption:
    """How a volume is to be encrypted, as Cinder's RBD driver finds it.

    :raises cinder.exception.CinderException: when its type is no good
    """
    facts = volume_utils.check_encryption_provider(volume, context)
    key = key_manager.API(CONF).get(context, facts['encryption_key_id'])
    secret = key.get_encoded()
    if not secret:
        raise exception.VolumeDriverException(
            message=f'The encryption key of volume {volume.id} is empty')
    cipher = image_utils.decode_cipher(facts['cipher'], facts['key_size'])
    return luks_header.Encryption(
        passphrase=secret.hex(), cipher_alg=cipher['cipher_alg'],
        cipher_mode=cipher['cipher_mode'], ivgen_alg=cipher['ivgen_alg'])
