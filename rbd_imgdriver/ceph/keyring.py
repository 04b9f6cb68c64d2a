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
"""The key of a user, where librados finds it.

A key is base64 of a type, a time, a length and the secret (``CryptoKey`` in
src/auth/Crypto.cc).  Type 1 is ``aes``.  Type 2, ``aes256k``, begins with
``Ag``; it came with Ceph 20.2.4 and 19.2.6 (CVE-2025-30156) and cannot be
parsed by older clients, which report a bad argument or an I/O error instead.
"""

from collections.abc import Callable
import configparser
import pathlib
import re

import rados

_SEPARATORS = re.compile(r'[\s,;]+')
_AES256K = 'Ag'

TOO_NEW = (
    'the key is of the type aes256k, which librados before 20.2.4 and 19.2.6 '
    'cannot read. Upgrade the Ceph packages of this host (python3-rados, '
    'python3-rbd, librbd1), or give this user an aes key: "ceph mon set '
    'auth_allowed_ciphers aes,aes256k", "ceph config set mon '
    'mon_auth_allow_insecure_key true", "ceph auth rotate client.NAME '
    '--key_type aes"')


def find(option: Callable[[str], str | None], user: str) -> str | None:
    """A user's secret, or None when it cannot be found or read.

    :param option: the value of an option of Ceph
    :param user: cephx user without ``client.``
    """
    key = option('key')
    if key:
        return key
    for path in searched(option):
        found = _in_keyring(pathlib.Path(path), user)
        if found:
            return found
    keyfile = option('keyfile')
    try:
        return pathlib.Path(keyfile).read_text().strip() if keyfile else None
    except OSError:
        return None


def searched(option: Callable[[str], str | None]) -> list[str]:
    """The keyrings that librados searches, in order."""
    return [path for path in _SEPARATORS.split(option('keyring') or '')
            if path]


def is_too_new(key: str, error: rados.Error) -> bool:
    """Whether a connection failed because librados cannot parse the key.

    A librados that can parse it fails in other ways.
    """
    return key.startswith(_AES256K) and isinstance(
        error, (rados.InvalidArgumentError, rados.IOError))


def _in_keyring(path: pathlib.Path, user: str) -> str | None:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        # Ceph indents the lines of a section; configparser would take the
        # second and later ones for continuations.
        parser.read_string('\n'.join(
            line.strip() for line in path.read_text().splitlines()))
    except (OSError, configparser.Error):
        return None
    return parser.get(f'client.{user}', 'key', fallback=None)
