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
"""A cluster for tests that run on another release of Ceph than it has.

    python3 -m tools.lent_cluster DIRECTORY

It says "ready" when it can be used, and is gone when its standard input ends.
Its users have keys that every client since Ceph 16 can read: those that
Ceph 20 makes by itself are of a type that older ones do not know.
"""

import pathlib
import sys

from sandbox import ceph
from sandbox import errors
from tests.functional import conftest


def give_old_keys(cluster: ceph.Cluster) -> None:
    """Let old clients in, where the cluster knows newer ciphers."""
    with cluster.connection() as client:
        try:
            ceph.command(client, 'mon set', name='auth_allowed_ciphers',
                         value='aes,aes256k')
        except errors.SandboxError:
            return  # its keys are those of all clients
        ceph.command(client, 'config set', who='mon',
                     name='mon_auth_allow_insecure_key', value='true')
        for user in 'cinder', 'admin':
            entity = f'client.{user}'
            key = ceph.command(client, 'auth rotate', entity=entity,
                               key_type='aes')[0]['key']
            cluster.keyring(user).write_text(f'[{entity}]\n\tkey = {key}\n')
    cluster.command('config rm', who='mon', name='mon_auth_allow_insecure_key')


def main() -> None:
    cluster = ceph.Cluster(pathlib.Path(sys.argv[1]), pools=conftest.POOLS,
                           bound=True)
    try:
        cluster.start()
        cluster.create_user('cinder', conftest.CAPS)
        give_old_keys(cluster)
        print('ready', flush=True)
        sys.stdin.read()
    finally:
        cluster.purge()


if __name__ == '__main__':
    main()
