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

"""What the tests do through OpenStack's APIs, and the undoing of it."""

import pathlib
import shutil
import tempfile
from typing import Any

from tempest.common import waiters
from tempest import config
from tempest.lib.common.utils import data_utils
from tempest.lib.common.utils import test_utils
from tempest.lib import exceptions
from tempest import test

from rbd_imgdriver_tempest_plugin import stored

CONF = config.CONF
GIB = 2**30
CHUNK = 2**20


class Tenant:
    """One user with the volumes and images that a test makes.

    :param manager: Tempest's clients of that user
    :param test: the test; what is made goes when it ends
    """

    def __init__(self, manager: Any, test: 'ImageVolumeTest') -> None:
        self.volumes = manager.volumes_client_latest
        self.snapshots = manager.snapshots_client_latest
        self.images = manager.image_client_v2
        self.members = manager.image_member_client_v2
        self.project = manager.credentials.project_id
        self._test = test

    def image(self, path: pathlib.Path, store: str = '',
              **properties: Any) -> str:
        """Make a private image of a file; its id.

        :param path: ``.raw`` or ``.qcow2``
        :param store: where Glance puts it, by default where rbd-clone works
        """
        image = self.images.create_image(
            name=self._name('image'), disk_format=path.suffix[1:],
            container_format='bare', visibility='private',
            **properties)['id']
        self._test.addCleanup(
            test_utils.call_and_ignore_notfound_exc,
            self.images.delete_image, image)
        with path.open('rb') as data:
            self.images.stage_image_file(image, data)
        self.images.image_import(
            image, stores=[store or CONF.rbd_imgdriver.rbd_store])
        waiters.wait_for_image_status(self.images, image, 'active')
        return str(image)

    def start_volume(self, **attributes: Any) -> str:
        """Ask for a volume; its id.

        :param attributes: as in Cinder's API; the size in GiB
        """
        attributes = {'size': 1, 'volume_type': volume_type(),
                      'name': self._name('volume'), **attributes}
        volume = self.volumes.create_volume(**attributes)['volume']['id']
        self._test.addCleanup(self._delete_volume, volume)
        return str(volume)

    def volume(self, **attributes: Any) -> str:
        """Make a volume and wait until it can be used; its id."""
        volume = self.start_volume(**attributes)
        self.await_volume(volume)
        return volume

    def await_volume(self, volume: str, status: str = 'available') -> None:
        """Wait for a volume's status; an error ends the test."""
        waiters.wait_for_volume_resource_status(self.volumes, volume, status)

    def show(self, volume: str) -> dict[str, Any]:
        """A volume as the API shows it."""
        shown: dict[str, Any] = self.volumes.show_volume(volume)['volume']
        return shown

    def delete_volume(self, volume: str) -> None:
        """Delete a volume and wait until it is gone."""
        self.volumes.delete_volume(volume)
        self.volumes.wait_for_resource_deletion(volume)

    def read(self, volume: str, count: int) -> bytes:
        """The first bytes of a volume, by way of an image made of it."""
        image = self.volumes.upload_volume(
            volume, image_name=self._name('read'), disk_format='raw',
            container_format='bare')['os-volume_upload_image']['image_id']
        self._test.addCleanup(
            test_utils.call_and_ignore_notfound_exc,
            self.images.delete_image, image)
        waiters.wait_for_image_status(self.images, image, 'active')
        self.await_volume(volume)
        response = self.images.show_image_file(image, chunked=True)
        try:
            data = bytes(response.read(count))
        finally:
            # Not all was read: the connection cannot be used again.
            response.close()
            response.release_conn()
        self.images.delete_image(image)
        return data

    def _delete_volume(self, volume: str) -> None:
        try:
            self.delete_volume(volume)
        except exceptions.NotFound:
            pass

    def _name(self, kind: str) -> str:
        return str(data_utils.rand_name(
            prefix=CONF.resource_name_prefix,
            name=f'{type(self._test).__name__}-{kind}'))


def volume_type() -> str:
    """The type of volumes that our driver makes."""
    return str(CONF.rbd_imgdriver.volume_type or CONF.volume.volume_type)


class ImageVolumeTest(test.BaseTestCase):
    """A test in which volumes are made from images."""

    credentials = ['primary']
    # The options of [rbd_imgdriver] without which the tests of a class cannot
    # run.
    needs: tuple[str, ...] = ()

    @classmethod
    def skip_checks(cls) -> None:
        super().skip_checks()
        for service in 'cinder', 'glance':
            if not getattr(CONF.service_available, service):
                raise cls.skipException(f'{service} is not available')
        if shutil.which('qemu-img') is None:
            raise cls.skipException('qemu-img is not installed')
        for option in cls.needs:
            if not getattr(CONF.rbd_imgdriver, option):
                raise cls.skipException(
                    f'[rbd_imgdriver] {option} is not set')

    def setUp(self) -> None:
        super().setUp()
        self.tenant = Tenant(self.os_primary, self)
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        self.directory = pathlib.Path(directory)

    @property
    def pool(self) -> stored.Pool:
        """The backend's pool, for a class that needs ``ceph_conf``."""
        options = CONF.rbd_imgdriver
        return stored.Pool(options.ceph_conf, options.ceph_user, options.pool)

    def check_data(self, tenant: Tenant, volume: str,
                   disk: pathlib.Path) -> None:
        """A volume must begin with a disk's data.

        :param disk: a raw one
        """
        data = disk.read_bytes()
        if CONF.rbd_imgdriver.ceph_conf:
            found = self.pool.first_bytes(volume, len(data))
        else:
            # Slow: it moves the whole volume through Glance.
            found = tenant.read(volume, len(data))
        # Not assertEqual: nobody reads a difference of megabytes.
        self.assertTrue(found == data,
                        f'volume {volume} does not have the data of {disk}')
