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

from tempest import config
from tempest.lib.common.utils import test_utils
from tempest.lib import decorators
from tempest.lib import exceptions

from rbd_imgdriver_tempest_plugin import base
from rbd_imgdriver_tempest_plugin import disks

CONF = config.CONF


class CachedImageTest(base.ImageVolumeTest):
    """The cache gives nobody what Glance does not."""

    credentials = ['primary', 'alt']
    needs = ('ceph_conf',)

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


class ImageInTheClusterTest(base.ImageVolumeTest):
    """Nor does a clone of Glance's own."""

    credentials = ['primary', 'alt']

    @decorators.idempotent_id('5a8f9c3e-61f0-4c8e-9d35-0d4f7a4f3c22')
    def test_private_image_in_the_cluster(self) -> None:
        """An image that could be cloned is refused just the same."""
        image = self.tenant.image(disks.raw(self.directory))
        self.tenant.volume(imageRef=image)
        other = base.Tenant(self.os_alt, self)

        self.assertRaises(exceptions.BadRequest, other.start_volume,
                          imageRef=image)


class _ForgedLocationTest(base.ImageVolumeTest):
    """No tenant makes a location; if one can, nothing is cloned."""

    credentials = ['primary', 'alt']

    def check_forged(self, url: str, declined: str) -> None:
        """Our image with a location of another tenant's data.

        :param declined: how a volume of it says that it is not a clone
        """
        image = self.tenant.images.create_image(
            name='forged', disk_format='raw', container_format='bare')['id']
        self.addCleanup(test_utils.call_and_ignore_notfound_exc,
                        self.tenant.images.delete_image, image)
        try:
            self.tenant.images.update_image(image, [
                {'add': '/locations/-',
                 'value': {'url': url, 'metadata': {}}}])
        except exceptions.Forbidden:
            # As it has to be: show_multiple_locations is off.
            self.assertEqual(
                'queued', self.tenant.images.show_image(image)['status'])
            return

        volume = self.tenant.volume(imageRef=image)

        self.assertIn(declined, self.pool.stored(volume).metadata['declined'])


class ForgedImageLocationTest(_ForgedLocationTest):
    """The location of another tenant's image."""

    needs = ('direct_url',)

    @decorators.idempotent_id('5a8f9c3e-61f0-4c8e-9d35-0d4f7a4f3c23')
    def test_location_of_another_tenants_image(self) -> None:
        """Its owner sees it; we know it, too."""
        other = base.Tenant(self.os_alt, self)
        theirs = other.image(disks.raw(self.directory))
        url = other.images.show_image(theirs)['direct_url']
        self.check_forged(url, 'rbd-clone: not-the-image ')


class ForgedVolumeLocationTest(_ForgedLocationTest):
    """The location of another tenant's volume."""

    needs = ('cinder_store',)

    @decorators.idempotent_id('5a8f9c3e-61f0-4c8e-9d35-0d4f7a4f3c24')
    def test_location_of_another_tenants_volume(self) -> None:
        """The id of a volume is enough to write it."""
        volume = base.Tenant(self.os_alt, self).volume()
        self.check_forged(
            f'cinder://{CONF.rbd_imgdriver.cinder_store}/{volume}',
            'cinder-clone: not-the-image ')
