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

"""The cloud's Ceph cluster: its pools and who may do what with them."""

from __future__ import annotations

import configparser
import pathlib
import shutil

from sandbox import background
from sandbox import ceph
from sandbox import context
from sandbox import parts
from sandbox import steps

POOLS = ('images', 'volumes', 'volumes2', 'intree', 'backups')


def _rbd(*pools: str, read_only: str = '') -> dict[str, str]:
    """What Ceph's documentation recommends for a user of these pools.

    See https://docs.ceph.com/en/latest/rbd/rbd-openstack/
    """
    own = ', '.join(f'profile rbd pool={pool}' for pool in pools)
    more = f', profile rbd-read-only pool={read_only}' if read_only else ''
    return {'mon': 'profile rbd', 'osd': own + more, 'mgr': own}


USERS = {
    'glance': _rbd('images'),
    'cinder': _rbd('volumes', 'volumes2', read_only='images'),
    'cinder-intree': _rbd('intree', read_only='images'),
    'cinder-backup': _rbd('backups'),
}

# os-brick finds its keys here and nowhere else.
KEYRINGS = pathlib.Path('/etc/ceph')
OS_BRICK_USERS = ('cinder', 'cinder-intree')


def cluster(sandbox: context.Context) -> ceph.Cluster:
    """The cluster of this sandbox."""
    return ceph.Cluster(
        sandbox.layout.ceph, name=sandbox.layout.ceph_name, pools=POOLS,
        ports=(sandbox.ports['mon'], sandbox.ports['mon_v1']),
        osds=sandbox.settings.osds, logs=sandbox.layout.logs)


def key(sandbox: context.Context, user: str) -> str:
    """The secret key of a user, as Ceph writes it."""
    keyring = configparser.ConfigParser()
    # Its lines are indented, which here would continue the one before.
    lines = cluster(sandbox).keyring(user).read_text().splitlines()
    keyring.read_string('\n'.join(line.strip() for line in lines))
    return keyring[f'client.{user}']['key']


class Storage(parts.Part):
    """The cluster, as a part of the cloud."""

    def __init__(self, sandbox: context.Context) -> None:
        super().__init__(sandbox)
        self._cluster = cluster(sandbox)

    def steps(self) -> list[steps.Step]:
        return [steps.Step('ceph', self.start, after=('packages',))]

    def daemons(self) -> list[background.Daemon]:
        return self._cluster.daemons()

    def start(self) -> None:
        """Start the cluster; make pools, users and os-brick's keyrings."""
        self._cluster.start()
        for user, caps in USERS.items():
            self._cluster.create_user(user, caps)
        for user in OS_BRICK_USERS:
            KEYRINGS.mkdir(exist_ok=True)
            source = self._cluster.keyring(user)
            shutil.copy(source, KEYRINGS / source.name)
            (KEYRINGS / source.name).chmod(0o600)

    def remove_keyrings(self) -> None:
        """Remove the only files outside the sandbox's directory."""
        for user in OS_BRICK_USERS:
            name = self._cluster.keyring(user).name
            (KEYRINGS / name).unlink(missing_ok=True)
