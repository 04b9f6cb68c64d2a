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
"""A pool in memory, of the same parts as the one in Ceph."""

import json

from rbd_imgdriver.ceph import capacity
from rbd_imgdriver.ceph import credentials
from rbd_imgdriver.ceph import errors
from tests.contract import fake_images
from tests.contract import fake_model
from tests.contract import fake_wire

POOLS = ('images', 'volumes', 'volumes2')


class FakePool:
    """What :class:`rbd_imgdriver.ceph.pool.Pool` does, in memory."""

    def __init__(self, name: str = 'volumes',
                 cluster: fake_model.Cluster | None = None) -> None:
        self.name = name
        self._cluster = cluster or fake_model.Cluster(POOLS)
        pool = self._cluster.pool(name)
        self.leases = fake_wire.Leases(pool)
        self.unfinished = fake_wire.Unfinished(pool)
        self.directory = fake_wire.Directory(pool)
        self.headers = fake_wire.Headers(pool)
        self.images = fake_images.Images(pool)
        self.data = fake_images.Data(pool)
        self.snapshots = fake_images.Snapshots(pool)
        self.clones = fake_images.Clones(pool)
        self.copies = fake_images.Copies(pool)
        self.ancestry = fake_images.Ancestry(pool)
        self.usage = fake_images.Usage(pool)
        self.trash = fake_images.Trash(pool)

    def __str__(self) -> str:
        return self.name

    def fsid(self) -> str:
        return fake_model.FSID

    def sibling(self, name: str) -> 'FakePool':
        return FakePool(name, self._cluster)

    def holding(self, image: str) -> 'FakePool | None':
        for name in dict.fromkeys([self.name, *self._cluster.pools]):
            found = self.sibling(name)
            if found.directory.exists(image):
                return found
        return None

    def mon_command(self, prefix: str, /, **_arguments: str) -> str:
        if prefix != 'version':
            raise errors.CephError(f'monitor command {prefix}: unknown')
        return json.dumps({'version': 'ceph version of a fake'})

    def mgr_command(self, prefix: str, /, **_arguments: str) -> str:
        if prefix != 'rbd task list':
            raise errors.CephError(f'manager command {prefix}: unknown')
        return '[]'

    def option(self, name: str) -> str | None:
        return {'rbd_default_clone_format': 'auto'}.get(name)

    def capacity(self) -> capacity.Capacity | None:
        return capacity.Capacity(2**40, 0, 2**40)

    def credentials(self) -> credentials.Credentials:
        return credentials.Credentials('cinder', '[global]', 'secret')
