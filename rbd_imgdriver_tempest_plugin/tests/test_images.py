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

"""What happens to an image after volumes were made of it."""

from tempest.lib import decorators

from rbd_imgdriver_tempest_plugin import base
from rbd_imgdriver_tempest_plugin import disks


class RenamedImagesTest(base.ImageVolumeTest):
    """Only its data make an image another one."""

    needs = ('ceph_conf',)

    @decorators.idempotent_id('5a8f9c3e-61f0-4c8e-9d35-0d4f7a4f3c11')
    def test_renamed_image_is_not_fetched_again(self) -> None:
        """Its golden image is used again."""
        image = self.tenant.image(disks.qcow2(disks.raw(self.directory)))
        first = self.tenant.volume(imageRef=image)

        self.tenant.images.update_image(image, [
            {'replace': '/name', 'value': 'another name'}])
        second = self.tenant.volume(imageRef=image)

        self.assertEqual('cached-clone', self.pool.stored(second).strategy)
        self.assertEqual(self.pool.stored(first).parent,
                         self.pool.stored(second).parent)
        shown = self.tenant.show(second)['volume_image_metadata']
        self.assertEqual('another name', shown['image_name'])


class DeletedImagesTest(base.ImageVolumeTest):
    """A volume needs nothing of Glance once it is made."""

    @decorators.idempotent_id('5a8f9c3e-61f0-4c8e-9d35-0d4f7a4f3c12')
    def test_volumes_outlive_a_raw_image(self) -> None:
        """Clones of Glance's snapshot, and clones of those."""
        disk = disks.raw(self.directory)
        self._check_deletion(self.tenant.image(disk), disk)

    @decorators.idempotent_id('5a8f9c3e-61f0-4c8e-9d35-0d4f7a4f3c13')
    def test_volumes_outlive_a_cached_image(self) -> None:
        """Clones out of the cache, and clones of those."""
        disk = disks.raw(self.directory)
        self._check_deletion(self.tenant.image(disks.qcow2(disk)), disk)

    def _check_deletion(self, image, disk):
        volume = self.tenant.volume(imageRef=image)

        self.tenant.images.delete_image(image)
        self.tenant.images.wait_for_resource_deletion(image)
        clone = self.tenant.volume(source_volid=volume)
        self.tenant.delete_volume(volume)

        self.check_data(self.tenant, clone, disk)
