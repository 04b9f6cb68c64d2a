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
"""Volumes of types that want something of their RBD image."""

import uuid

from cinder import context
from cinder import objects
import pytest
import rbd

from tests.functional import host


@pytest.fixture
def driver(cluster, pool):
    """Our driver on the pool ``volumes``, without the cache."""
    return host.make(cluster, 'volumes')


@pytest.fixture
def volume_type():
    """Makes a volume type: it wants what is given as true."""
    def make(name: str, **wants: bool) -> objects.VolumeType:
        return objects.VolumeType(
            context.get_admin_context(), id=str(uuid.uuid4()), name=name,
            qos_specs_id=None,
            extra_specs={key: '<is> True' for key, value in wants.items()
                         if value})

    return make


@pytest.fixture
def from_image(driver, disk, glance_image):
    """Make a volume that is a clone of Glance's snapshot."""
    def make(volume_type: objects.VolumeType) -> objects.Volume:
        meta = host.image_meta(disk, 'raw')
        volume = host.volume(volume_type=volume_type,
                             volume_type_id=volume_type.id)
        url = glance_image(meta['id'])
        update, done = driver.clone_image(
            context.get_admin_context(), volume,
            (None, [{'url': url, 'metadata': {}}]), meta,
            host.ImageService(disk))
        assert done
        volume.update(update)
        return volume

    return make


@pytest.fixture
def retype(driver):
    """Give a volume another type, as the manager does."""
    def call(volume: objects.Volume, new_type: objects.VolumeType) -> bool:
        done, update = driver.retype(context.get_admin_context(), volume,
                                     new_type, {}, {'host': driver.host})
        volume.update(update)
        volume.volume_type = new_type
        return done

    return call


@pytest.fixture
def features(admin):
    """The feature bits of a volume's RBD image."""
    def look(volume: objects.Volume, pool: str = 'volumes') -> int:
        with admin.open_ioctx(pool) as ioctx, \
                rbd.Image(ioctx, volume.name, read_only=True) as image:
            return image.features()

    return look
