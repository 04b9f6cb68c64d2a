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

import dataclasses
import pathlib

from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph import keyring


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
    key = keyring.find(cluster.option, user)
    if key is None:
        searched = ', '.join(keyring.searched(cluster.option))
        raise errors.PermissionDenied(
            f'no key of client.{user} in any of: {searched}')
    return Credentials(user, conf, key)
