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

"""A volume by each strategy, with the image's data."""

from tempest import config
from tempest.lib import decorators

from rbd_imgdriver_tempest_plugin import base
from rbd_imgdriver_tempest_plugin import disks

CONF = config.CONF


class StrategiesTest(base.ImageVolumeTest):
    """How an image becomes a volume depends on where its data are."""

    needs = ('ceph_conf',)

    @decorators.idempotent_id('5a8f9c3e-61f0-4c8e-9d35-0d4f7a4f3c01')
    def test_rbd_clone(self) -> None:
        """A raw image in the cluster: a clone of Glance's snapshot."""
        disk = disks.raw(self.directory)
        image = self.tenant.image(disk)

        volume = self.tenant.volume(imageRef=image, size=2)

        stored = self.pool.stored(volume)
        self.assertEqual('rbd-clone', stored.strategy)
        self.assertIn(image, str(stored.parent))
        self.assertEqual('0', stored.metadata['bytes_moved'])
        self.assertEqual('true', self.tenant.show(volume)['bootable'])
        self.check_data(self.tenant, volume, disk)

    @decorators.idempotent_id('5a8f9c3e-61f0-4c8e-9d35-0d4f7a4f3c03')
    def test_import_then_cached_clone(self) -> None:
        """Another format: imported once, then cloned out of the cache."""
        disk = disks.raw(self.directory)
        image = self.tenant.image(disks.qcow2(disk))

        first = self.tenant.volume(imageRef=image)
        second = self.tenant.volume(imageRef=image)

        imported = self.pool.stored(first)
        cached = self.pool.stored(second)
        self.assertEqual('import', imported.strategy)
        self.assertGreater(int(imported.metadata['bytes_moved']), 0)
        self.assertEqual('cached-clone', cached.strategy)
        self.assertIsNotNone(cached.parent)
        self.assertEqual(imported.parent, cached.parent)
        self.check_data(self.tenant, first, disk)
        self.check_data(self.tenant, second, disk)


class CinderStoreTest(base.ImageVolumeTest):
    """Images that Glance keeps as Cinder volumes."""

    needs = ('ceph_conf', 'cinder_store')

    @decorators.idempotent_id('5a8f9c3e-61f0-4c8e-9d35-0d4f7a4f3c02')
    def test_cinder_clone(self) -> None:
        """An image that is a Cinder volume: a clone of that volume."""
        disk = disks.raw(self.directory)
        image = self.tenant.image(disk, CONF.rbd_imgdriver.cinder_store)

        volume = self.tenant.volume(imageRef=image)

        stored = self.pool.stored(volume)
        self.assertEqual('cinder-clone', stored.strategy)
        self.assertIsNotNone(stored.parent)
        self.check_data(self.tenant, volume, disk)


class ImageOfVolumeTest(base.ImageVolumeTest):
    """The way back: an image of a volume."""

    @decorators.idempotent_id('5a8f9c3e-61f0-4c8e-9d35-0d4f7a4f3c04')
    def test_image_of_a_clone(self) -> None:
        """An image made of a cloned volume has the first image's data."""
        disk = disks.raw(self.directory)
        volume = self.tenant.volume(imageRef=self.tenant.image(disk))

        data = disk.read_bytes()
        found = self.tenant.read(volume, len(data)) == data
        self.assertTrue(found, "the data differs")
