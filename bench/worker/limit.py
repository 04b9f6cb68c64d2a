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

"""Bare librbd and hashlib: what no driver can do better than."""

from __future__ import annotations

from concurrent import futures
import dataclasses
import hashlib
import pathlib
from typing import Any
import uuid

import rados
import rbd

from bench.worker import measure

_WRITE = 4 * 2**20
_IN_FLIGHT = 16


class Limit:
    """One open connection, and nothing between it and the caller.

    :param settings: ``conf`` and ``user`` of the cluster
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._ioctxs: dict[str, Any] = {}
        self._connect()

    def _connect(self) -> None:
        self._client = rados.Rados(conffile=self._settings['conf'],
                                   rados_id=self._settings['user'])
        self._client.connect()

    def _disconnect(self) -> None:
        for ioctx in self._ioctxs.values():
            ioctx.close()
        self._ioctxs.clear()
        self._client.shutdown()

    def _ioctx(self, pool: str) -> Any:
        if pool not in self._ioctxs:
            self._ioctxs[pool] = self._client.open_ioctx(pool)
        return self._ioctxs[pool]

    def clone(self, parent: list[str], pool: str, count: int = 1,
              cold: bool = False) -> dict[str, Any]:
        """Clone a snapshot so many times, one after the other.

        :param parent: pool, image and snapshot
        :param cold: whether to connect first
        """
        if cold:
            self._disconnect()
        else:  # open what is open in all turns but the first
            self._ioctx(parent[0]), self._ioctx(pool)
        with measure.measured() as cost:
            if cold:
                self._connect()
            source, target = self._ioctx(parent[0]), self._ioctx(pool)
            for _ in range(count):
                _clone(source, parent, target)
        return dataclasses.asdict(cost)

    def clone_in_threads(self, parent: list[str], pool: str,
                         count: int) -> dict[str, Any]:
        """Clone a snapshot so many times, all at once."""
        source, target = self._ioctx(parent[0]), self._ioctx(pool)
        with measure.measured() as cost, \
                futures.ThreadPoolExecutor(count) as threads:
            list(threads.map(lambda _: _clone(source, parent, target),
                             range(count)))
        return dataclasses.asdict(cost)

    def hash(self, path: str) -> dict[str, Any]:
        """Compute the SHA-512 of a file."""
        digest = hashlib.sha512()
        with measure.measured() as cost, pathlib.Path(path).open('rb') as f:
            while chunk := f.read(2**20):
                digest.update(chunk)
        return dataclasses.asdict(cost)

    def write(self, path: str, extents: list[list[int]], size: int,
              pool: str) -> dict[str, Any]:
        """Write the data of a file, known beforehand, into a new image.

        :param extents: [start, end) of the data in bytes
        :param size: of the image in bytes
        """
        ioctx, name = self._ioctx(pool), f'limit-{uuid.uuid4()}'
        with measure.measured() as cost, pathlib.Path(path).open('rb') as f:
            rbd.RBD().create(ioctx, name, size, 22, old_format=False)
            with rbd.Image(ioctx, name) as image:
                _write(image, f, extents)
        rbd.RBD().remove(ioctx, name)
        return dataclasses.asdict(cost)


def _clone(source: Any, parent: list[str], target: Any) -> None:
    rbd.RBD().clone(source, parent[1], parent[2], target,
                    f'limit-{uuid.uuid4()}')


def _write(image: Any, file: Any, extents: list[list[int]]) -> None:
    waiting: list[Any] = []
    for start, end in extents:
        file.seek(start)
        for offset in range(start, end, _WRITE):
            data = file.read(min(_WRITE, end - offset))
            waiting.append(image.aio_write(data, offset, lambda _: None))
            if len(waiting) > _IN_FLIGHT:
                waiting.pop(0).wait_for_complete_and_cb()
    for completion in waiting:
        completion.wait_for_complete_and_cb()
    image.flush()
