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

"""Volumes cloned from volumes cloned from an image."""

from tempest import config
from tempest.lib import decorators

from rbd_imgdriver_tempest_plugin import base
from rbd_imgdriver_tempest_plugin import disks

CONF = config.CONF


class CloneDepthTest(base.ImageVolumeTest):
    """``rbd_max_clone_depth`` bounds every chain."""

    needs = ('ceph_conf',)

    @decorators.idempotent_id('5a8f9c3e-61f0-4c8e-9d35-0d4f7a4f3c31')
    def test_chain_of_clones(self) -> None:
        """A chain longer than allowed, deleted from its beginning."""
        disk = disks.raw(self.directory)
        image = self.tenant.image(disk)
        limit = CONF.rbd_imgdriver.max_clone_depth
        chain = [self.tenant.volume(imageRef=image)]
        for _ in range(limit + 2):
            chain.append(self.tenant.volume(source_volid=chain[-1]))

        depths = [self.pool.depth(volume) for volume in chain]

        # The image itself is the first ancestor.
        self.assertEqual(1, depths[0])
        self.assertLessEqual(max(depths), limit)
        *others, last = chain
        for volume in others:
            self.tenant.delete_volume(volume)
        self.check_data(self.tenant, last, disk)


class ConcurrencyTest(base.ImageVolumeTest):
    """Many at the same time."""

    needs = ('ceph_conf',)

    @decorators.idempotent_id('5a8f9c3e-61f0-4c8e-9d35-0d4f7a4f3c32')
    def test_concurrent_volumes_of_one_image(self) -> None:
        """An image nobody has used yet is imported once."""
        disk = disks.raw(self.directory)
        image = self.tenant.image(disks.qcow2(disk))

        volumes = [self.tenant.start_volume(imageRef=image)
                   for _ in range(6)]
        for volume in volumes:
            self.tenant.await_volume(volume)

        stored = [self.pool.stored(volume) for volume in volumes]
        strategies = sorted(str(each.strategy) for each in stored)
        self.assertEqual(['cached-clone'] * 5 + ['import'], strategies)
        parents = {each.parent for each in stored}
        self.assertEqual(1, len(parents), parents)
        self.check_data(self.tenant, volumes[0], disk)
        self.check_data(self.tenant, volumes[-1], disk)
