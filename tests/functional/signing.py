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
"""Signs images, and is the key manager that has the certificate."""

import base64
from collections.abc import Iterator
import contextlib
import datetime

from castellan.common.objects import x_509
from castellan import key_manager
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography import x509
from oslo_config import cfg

CONF = cfg.CONF
KEY = rsa.generate_private_key(65537, 2048)
CERTIFICATE = 'c3c0ffee-0000-4000-8000-00000000000c'


class Certificates(key_manager.key_manager.KeyManager):
    """Knows one certificate."""

    def __init__(self, configuration: cfg.ConfigOpts) -> None:
        super().__init__(configuration)

    def get(self, context, managed_object_id, metadata_only=False):
        if managed_object_id != CERTIFICATE:
            raise KeyError(managed_object_id)  # as Cinder's own key manager
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, 'x')])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder(name, name, KEY.public_key(), 1,
                                    now - datetime.timedelta(1),
                                    now + datetime.timedelta(1))
            .sign(KEY, hashes.SHA256()))
        return x_509.X509(
            certificate.public_bytes(serialization.Encoding.DER))

    create_key_pair = create_key = store = delete = list = (
        lambda self, *_args, **_more: None)
    add_consumer = remove_consumer = create_key


def properties(data: bytes) -> dict[str, str]:
    """The properties of an image with a signature of this data."""
    made = KEY.sign(data, padding.PSS(
        padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH),
        hashes.SHA256())
    return {'img_signature': base64.b64encode(made).decode(),
            'img_signature_hash_method': 'SHA-256',
            'img_signature_key_type': 'RSA-PSS',
            'img_signature_certificate_uuid': CERTIFICATE}


@contextlib.contextmanager
def verifying(choice: str = 'enabled') -> Iterator[None]:
    """Cinder with ``verify_glance_signatures``, and our key manager."""
    CONF.register_opts(key_manager.key_manager_opts, 'key_manager')
    CONF.set_override('backend', f'{__name__}.Certificates', 'key_manager')
    CONF.set_override('verify_glance_signatures', choice)
    try:
        yield
    finally:
        CONF.clear_override('backend', 'key_manager')
        CONF.clear_override('verify_glance_signatures')
