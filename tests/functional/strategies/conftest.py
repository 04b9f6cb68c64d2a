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
"""Drivers, images and what the cluster says of the volumes made."""

import dataclasses

from cinder import context
import pytest
import rbd

from rbd_imgdriver import model
from tests.functional import host


@dataclasses.dataclass(frozen=True)
class Made:
    """A volume as it is in the cluster.

    :param data: its first bytes, as many as the disk of the test has
    """

    size: int
    data: bytes
    parent: tuple[str, str, str] | None
    metadata: dict[str, str]

    @property
    def strategy(self) -> str:
        return self.metadata[model.STRATEGY_KEY]

    @property
    def declined(self) -> str:
        return self.metadata[model.DECLINED_KEY]


@pytest.fixture
def driver(cluster, pool):
    """Our driver on the pool ``volumes``, without the cache."""
    return host.make(cluster, 'volumes')


@pytest.fixture
def caching(cluster, pool):
    """Our driver on the pool ``volumes``, with the cache."""
    return host.make(cluster, 'volumes', image_volume_cache_enabled=True)


@pytest.fixture
def create(disk, pool):
    """Make a volume of an image as Cinder's create flow does."""
    def call(driver, meta, *locations, service=None, volume=None, **facts):
        volume = volume or host.volume(**facts)
        listed = [{'url': url, 'metadata': {}} for url in locations]
        update, done = driver.clone_image(
            context.get_admin_context(), volume, (None, listed), meta,
            service or host.ImageService(disk))
        return volume, update, done

    return call


@pytest.fixture
def made(admin, disk):
    """Look at a volume, past the driver."""
    def look(volume, pool='volumes') -> Made:
        with admin.open_ioctx(pool) as ioctx, \
                rbd.Image(ioctx, volume.name, read_only=True) as image:
            try:
                parent = tuple(image.parent_info())
            except rbd.ImageNotFound:
                parent = None
            return Made(image.size(), image.read(0, disk.stat().st_size),
                        parent, dict(image.metadata_list()))

    return look


@pytest.fixture
def is_mirrored(admin):
    """Whether a volume is mirrored; ``volumes`` can mirror single images."""
    def look(volume) -> bool:
        with admin.open_ioctx('volumes') as ioctx, \
                rbd.Image(ioctx, volume.name, read_only=True) as image:
            state = image.mirror_image_get_info()['state']
            return state == rbd.RBD_MIRROR_IMAGE_ENABLED

    with admin.open_ioctx('volumes') as ioctx:
        rbd.RBD().mirror_mode_set(ioctx, rbd.RBD_MIRROR_MODE_IMAGE)
        yield look
        for name in rbd.RBD().list(ioctx):
            with rbd.Image(ioctx, name) as image:
                image.mirror_image_disable(True)
        rbd.RBD().mirror_mode_set(ioctx, rbd.RBD_MIRROR_MODE_DISABLED)
