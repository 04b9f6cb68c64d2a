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

"""Encrypted volumes of an image that is in the cache."""

from tempest import config
from tempest.lib import decorators

from rbd_imgdriver_tempest_plugin import base
from rbd_imgdriver_tempest_plugin import disks

CONF = config.CONF
LUKS = b'LUKS\xba\xbe'


class EncryptionTest(base.ImageVolumeTest):
    """Encrypted volumes are clones of ciphertext, never of the plain image."""

    needs = ('ceph_conf', 'encrypted_volume_type')

    @decorators.idempotent_id('5a8f9c3e-61f0-4c8e-9d35-0d4f7a4f3c41')
    def test_encrypted_volume_of_a_cached_image(self) -> None:
        """Nothing of the image is there in the clear."""
        disk = disks.raw(self.directory)
        image = self.tenant.image(disks.qcow2(disk))
        self.tenant.volume(imageRef=image)

        volume = self.tenant.volume(
            imageRef=image,
            volume_type=CONF.rbd_imgdriver.encrypted_volume_type)

        self.assertTrue(self.tenant.show(volume)['encrypted'])
        self.assertIn('-luks', self.pool.stored(volume).parent or '-luks')
        data = disk.read_bytes()
        found = self.pool.first_bytes(volume, 2 * len(data))
        self.assertEqual(LUKS, found[:len(LUKS)])
        # 64 bytes of random data do not occur by chance.
        self.assertFalse(data[:64] in found, 'the data are in the clear')
