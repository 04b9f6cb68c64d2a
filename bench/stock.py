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

"""What pools hold, and what is done with RBD itself between measurements."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from concurrent import futures
import contextlib
import os
import pathlib
from typing import Any
import uuid

import rbd

from bench import crowd
from bench import data
from sandbox import ceph

FEATURES = 61  # Ceph's default: layering, locks, object map, fast diff ...
ORDER = 22  # Cinder's objects of 4 MiB
GLANCE_ORDER = 23  # Glance's objects of 8 MiB


class Stock:
    """The images of a cluster's pools.

    :param client: of the cluster, with all rights
    :param images: the disks that are stored in them
    """

    def __init__(self, client: Any, images: data.Images) -> None:
        self._client = client
        self._images = images

    def names(self, pool: str) -> list[str]:
        """The images of a pool and of its trash."""
        with self._client.open_ioctx(pool) as ioctx:
            return [*rbd.RBD().list(ioctx),
                    *(one['name'] for one in rbd.RBD().trash_list(ioctx))]

    def remove(self, pool: str, names: tuple[str, ...]) -> None:
        """Remove images that have no snapshots."""
        with self._client.open_ioctx(pool) as ioctx:
            for name in names:
                rbd.RBD().remove(ioctx, name)

    def empty(self, pool: str) -> None:
        """Remove all images of a pool, which have no snapshots."""
        with self._client.open_ioctx(pool) as ioctx:
            self.remove(pool, tuple(rbd.RBD().list(ioctx)))

    def snapshots(self, pool: str, image: str) -> int:
        """How many snapshots an image has, trashed ones included."""
        with self._client.open_ioctx(pool) as ioctx, \
                rbd.Image(ioctx, image, read_only=True) as opened:
            return sum(1 for _ in opened.list_snaps())

    def store(self, pool: str, name: str, disk: data.Disk,
              order: int = ORDER) -> None:
        """Write a raw disk into a new RBD image."""
        path = self._images.path(disk)
        self._write(pool, name, disk.size, order, data.chunks(path, disk))

    def store_file(self, pool: str, name: str,
                   path: pathlib.Path) -> None:
        """Write all of a file into a new RBD image, as Glance does."""
        size = path.stat().st_size
        self._write(pool, name, size, GLANCE_ORDER, data.whole(path))

    def _write(self, pool: str, name: str, size: int, order: int,
               chunks: Iterable[tuple[int, bytes]]) -> None:
        with self._client.open_ioctx(pool) as ioctx:
            rbd.RBD().create(ioctx, name, size, order, old_format=False,
                             features=FEATURES)
            with rbd.Image(ioctx, name) as image:
                for offset, chunk in chunks:
                    image.write(chunk, offset)

    def snapshot(self, pool: str, name: str, snapshot: str) -> list[str]:
        """Make a protected snapshot: pool, image and name of it."""
        with self.quick_monitor(), \
                self._client.open_ioctx(pool) as ioctx, \
                rbd.Image(ioctx, name) as image:
            image.create_snap(snapshot)
            image.protect_snap(snapshot)
        return [pool, name, snapshot]

    def clone(self, parent: list[str], pool: str, name: str) -> None:
        """Clone a snapshot."""
        with self._client.open_ioctx(parent[0]) as source, \
                self._client.open_ioctx(pool) as target:
            rbd.RBD().clone(source, parent[1], parent[2], target, name,
                            features=FEATURES, order=ORDER)

    def overwrite(self, pool: str, name: str, size: int) -> None:
        """Write new data to the beginning of an image."""
        with self._client.open_ioctx(pool) as ioctx, \
                rbd.Image(ioctx, name) as image:
            image.write(os.urandom(size), 0)

    def add_children(self, parent: list[str], count: int) -> None:
        """Give a snapshot some more children."""
        with futures.ThreadPoolExecutor(4) as threads:
            list(threads.map(
                lambda _: self.clone(parent, parent[0],
                                     f'child-{uuid.uuid4()}'),
                range(count)))

    def add_snapshots(self, pool: str, name: str, count: int) -> None:
        """Give an image some more protected snapshots."""
        with self.quick_monitor(), \
                self._client.open_ioctx(pool) as ioctx, \
                rbd.Image(ioctx, name) as image, \
                futures.ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: _add_snapshot(image), range(count)))

    def crowd(self, pool: str, count: int) -> None:
        """Fill a pool; see :mod:`bench.crowd`.

        A tenth of the images get a snapshot, and for every hundred there is
        one more in the trash, for a day.
        """
        with self._client.open_ioctx(pool) as ioctx:
            crowd.add(ioctx, count - count // 10)
            crowd.add(ioctx, count // 10, snapshots=1)
            with futures.ThreadPoolExecutor(4) as threads:
                list(threads.map(
                    lambda name: rbd.RBD().trash_move(ioctx, name, 86400),
                    crowd.add(ioctx, count // 100).keys()))

    @contextlib.contextmanager
    def quick_monitor(self) -> Iterator[None]:
        """Have it decide at once; nothing is measured meanwhile."""
        quick = {'paxos_propose_interval': '0.005', 'paxos_min_wait': '0.005'}
        for option, value in quick.items():
            ceph.command(self._client, 'config set', who='mon', name=option,
                         value=value)
        try:
            yield
        finally:
            for option in quick:
                ceph.command(self._client, 'config rm', who='mon',
                             name=option)


def _add_snapshot(image: rbd.Image) -> None:
    name = f'volume-{uuid.uuid4()}.clone_snap'
    image.create_snap(name)
    image.protect_snap(name)
