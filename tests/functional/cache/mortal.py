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
"""A process that fills the cache and dies at a named step.

Started by tests, with one JSON object as its argument.
"""

import itertools
import json
import os
import pathlib
import signal
import sys

from rbd_imgdriver.cache import eviction
from rbd_imgdriver.cache import fill
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.cache import wish as cache_wish
from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import pool as ceph_pool
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer import options
from rbd_imgdriver import model

# Each step of a fill, and the operation of the pool that completes it.
STEPS = {
    'leased': ('leases', 'acquire'),
    'created': ('images', 'create'),
    'written': ('leases', 'renew'),  # the check that comes before publication
    'snapshotted': ('snapshots', 'ensure'),
    'described': ('headers', 'update'),
    'renamed': ('images', 'rename'),
}


class Data:
    """An image's bytes, from a file."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def read(self, offset: int = 0):
        with self._path.open('rb') as file:
            file.seek(offset)
            while chunk := file.read(2**20):
                yield chunk

    def verifier(self):
        return None


class Events:
    """Nobody listens."""

    def cache(self, action: str, image_id: str) -> None:
        """Nobody listens."""


def mortal(pool: ceph_pool.Pool, part: str, operation: str,
           times: int = 1) -> None:
    """Let a pool's user be killed as soon as an operation is done.

    :param times: how often it is done
    """
    real = getattr(pool, part)
    done = itertools.count(1)

    def dying(self, *args, **kwargs):
        answer = getattr(real, operation)(*args, **kwargs)
        if next(done) == times:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    mortal_part = type('MortalPart', (type(real),), {operation: dying})
    setattr(pool, part, mortal_part(pool.cluster, pool.name))


def filler(pool: ceph_pool.Pool, conversion_dir: str) -> fill.Filler:
    importer = image_importer.Importer(options.Options(conversion_dir))
    return fill.Filler(cache_store.Store(pool), importer, eviction.Limits(),
                       order=22)


def wish(image: model.Image, path: pathlib.Path) -> cache_wish.Wish:
    return cache_wish.Wish(image, Data(path), Events(), limit=model.GIB)


def main() -> None:
    wanted = json.loads(sys.argv[1])
    spec = connection.ClusterSpec('ceph', wanted['conf'], 'cinder')
    pool = ceph_pool.Pool(connection.cluster(spec), 'volumes')
    mortal(pool, *STEPS[wanted['step']])
    path = pathlib.Path(wanted['path'])
    filler(pool, str(path.parent)).fill(
        wish(model.Image(**wanted['image']), path))


if __name__ == '__main__':
    main()
