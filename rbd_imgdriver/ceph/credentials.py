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
"""What another program needs to reach the cluster as our user.

The program may run as a user who can read neither the configuration nor the
keyring, so it is given their contents.
"""

import configparser
import dataclasses
import pathlib
import re

from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import errors

_SEPARATORS = re.compile(r'[\s,;]+')


@dataclasses.dataclass(frozen=True)
class Credentials:
    """Who we are in the cluster.

    :param user: cephx user without ``client.``
    :param conf: text of the configuration file
    :param key: the user's secret; never for a log or a command line
    """

    user: str
    conf: str
    key: str = dataclasses.field(repr=False)


def read(cluster: connection.Cluster) -> Credentials:
    """The credentials of the connected client; blocks.

    :raises errors.PermissionDenied: when the key cannot be found
    """
    spec = cluster.spec
    user = spec.user or 'admin'
    path = pathlib.Path(spec.conf or f'/etc/ceph/{spec.name}.conf')
    try:
        conf = path.read_text()
    except OSError as error:
        raise errors.PermissionDenied(f'{path}: {error}') from error
    return Credentials(user, conf, _key(cluster, user))


def _key(cluster: connection.Cluster, user: str) -> str:
    """As librados finds it: ``key``, a keyring, then a file with the key."""
    key = cluster.option('key')
    if key:
        return key
    searched = _SEPARATORS.split(cluster.option('keyring') or '')
    for name in filter(None, searched):
        found = _in_keyring(pathlib.Path(name), user)
        if found:
            return found
    keyfile = cluster.option('keyfile')
    if keyfile:
        return pathlib.Path(keyfile).read_text().strip()
    raise errors.PermissionDenied(
        f'no key of client.{user} in any of: {", ".join(searched)}')


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
