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
"""A pool that is full: Ceph answers nothing, and a timeout ends it."""

from collections.abc import Iterator
import dataclasses
import os
import pathlib
import time

from cinder import context
from cinder import exception
import pytest

from rbd_imgdriver.cache import sweep
from sandbox import polling
from tests.functional import host

SIZE = 64 * 2**20


@pytest.fixture
def data(tmp_path) -> pathlib.Path:
    path = tmp_path / 'big.raw'
    path.write_bytes(os.urandom(SIZE))
    return path


class Room:
    """Uses the pool's quota up, and lifts it; Ceph takes a while to notice."""

    def __init__(self, cluster) -> None:
        self._cluster = cluster

    def fill(self) -> None:
        self._set_quota('1', full=True)

    def make(self) -> None:
        self._set_quota('0', full=False)

    def _set_quota(self, most: str, full: bool) -> None:
        self._cluster.command('osd pool set-quota', pool='volumes',
                              field='max_bytes', val=most)
        assert polling.wait_until(lambda: self._is_full() == full, 60)

    def _is_full(self) -> bool:
        pools = self._cluster.command('osd dump')['pools']
        (flags,) = [pool['flags_names'] for pool in pools
                    if pool['pool_name'] == 'volumes']
        return 'full_quota' in flags


@pytest.fixture
def room(cluster, pool, admin):
    """The pool's room; there is some again after the test."""
    with admin.open_ioctx('volumes') as ioctx:
        ioctx.write_full('filler', b'x' * 4096)
        found = Room(cluster)
        yield found
        found.make()
        ioctx.remove_object('filler')


@dataclasses.dataclass
class Filling(host.ImageService):
    """Glance, during whose answer the pool becomes full."""

    room: Room | None = None

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        for number, chunk in enumerate(super().chunks(start)):
            if number * len(chunk) == SIZE // 2:
                self.room.fill()
            yield chunk


@pytest.mark.parametrize('cached', [True, False])
def test_the_create_ends_and_leaves_nothing(cluster, room, contents, data,
                                            cached):
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=cached,
                       rados_connect_timeout=5)
    room.fill()

    with pytest.raises(exception.CinderException):
        driver.clone_image(
            context.get_admin_context(), host.volume(), (None, []),
            host.image_meta(data, 'raw'), host.ImageService(data))

    assert contents() == ([], [])


@pytest.mark.parametrize('cached', [True, False])
def test_full_in_the_midst_of_an_import(cluster, room, contents, data,
                                        cached):
    """Even removing takes room: the sweep removes it when there is some."""
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=cached,
                       rados_connect_timeout=3)

    with pytest.raises(exception.CinderException, match='tim(ed|e) ?out'):
        driver.clone_image(
            context.get_admin_context(), host.volume(), (None, []),
            host.image_meta(data, 'raw'), Filling(data, room=room))

    room.make()

    def swept() -> bool:
        # A lease that could not be given back holds for half a minute, and
        # an image without one counts as alive for long.
        sweep.Sweep(driver._backend.store, lambda _image_id: True,
                    clock=lambda: time.time() + 86400).run()
        return contents() == ([], [])

    assert polling.wait_until(swept, 90, interval=1)
