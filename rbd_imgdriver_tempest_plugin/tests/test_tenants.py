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

"""Two tenants and an image that is not for both."""

from tempest.lib import decorators
from tempest.lib import exceptions

from rbd_imgdriver_tempest_plugin import base
from rbd_imgdriver_tempest_plugin import disks


class TenantsTest(base.ImageVolumeTest):
    """The cache gives nobody what Glance does not."""

    credentials = ['primary', 'alt']

    @decorators.idempotent_id('5a8f9c3e-61f0-4c8e-9d35-0d4f7a4f3c21')
    def test_private_image_in_the_cache(self) -> None:
        """Another tenant gets at a cached image by being given it."""
        disk = disks.raw(self.directory)
        image = self.tenant.image(disks.qcow2(disk))
        first = self.tenant.volume(imageRef=image)
        other = base.Tenant(self.os_alt, self)

        self.assertRaises(exceptions.BadRequest, other.start_volume,
                          imageRef=image)

        self.tenant.images.update_image(image, [
            {'replace': '/visibility', 'value': 'shared'}])
        self.tenant.members.create_image_member(image, member=other.project)
        other.members.update_image_member(image, other.project,
                                          status='accepted')
        second = other.volume(imageRef=image)

        self.check_data(other, second, disk)
        self.assertEqual('cached-clone', self.pool.stored(second).strategy)
        self.assertEqual(self.pool.stored(first).parent,
                         self.pool.stored(second).parent)

    @decorators.idempotent_id('5a8f9c3e-61f0-4c8e-9d35-0d4f7a4f3c22')
    def test_private_image_in_the_cluster(self) -> None:
        """An image that could be cloned is refused just the same."""
        image = self.tenant.image(disks.raw(self.directory))
        self.tenant.volume(imageRef=image)
        other = base.Tenant(self.os_alt, self)

        self.assertRaises(exceptions.BadRequest, other.start_volume,
                          imageRef=image)
