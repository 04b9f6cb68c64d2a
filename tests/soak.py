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
"""Many threads that make, open, change and delete clones for a long time.

    python -m tests.soak --rounds 10000 --threads 20

For what happens inside librbd once in thousands of opens: a process that
aborts ends this with its signal.  Each round is a volume of an image, one of
that volume, two opens for reading of the clone while its parent is written to
and grows, and both deletions, with the driver and a real Ceph.
"""

import argparse
from concurrent import futures
import pathlib
import sys
import tempfile
import threading
import time

from cinder import context
import rbd

from sandbox import ceph
from tests.functional import conftest
from tests.functional import host

SIZE = 8 * 2**20


class Soak:
    """The rounds of all threads.

    :param driver: shared, as in cinder-volume
    """

    def __init__(self, driver, client, meta: dict, location: str,
                 path: pathlib.Path) -> None:
        self._driver = driver
        self._client = client
        self._image = meta, location
        self._path = path
        self._data = path.read_bytes()
        self._lock = threading.Lock()
        self.done = 0

    def round(self, _number: int) -> None:
        """One volume and its clone."""
        meta, location = self._image
        volume, clone = host.volume(), host.volume()
        _, done = self._driver.clone_image(
            context.get_admin_context(), volume,
            (None, [{'url': location, 'metadata': {}}]), meta,
            host.ImageService(self._path))
        assert done
        self._driver.create_cloned_volume(clone, volume)
        with self._client.open_ioctx('volumes') as ioctx:
            with rbd.Image(ioctx, volume.name) as image:
                image.write(b'changed', 0)
            for _ in range(2):
                with rbd.Image(ioctx, clone.name, read_only=True) as image:
                    assert image.read(0, SIZE) == self._data
                self._driver.extend_volume(volume, volume.size + 1)
        self._driver.delete_volume(volume)
        self._driver.delete_volume(clone)
        with self._lock:
            self.done += 1


def run(rounds: int, threads: int, seconds: float) -> int:
    """Do the rounds, or as many as there is time for; how many were done."""
    ends = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as place:
        home = pathlib.Path(place)
        (home / 'cinder/conversion').mkdir(parents=True)
        host.prepare(home / 'cinder')
        cluster = ceph.Cluster(home / 'ceph', pools=conftest.POOLS,
                               bound=True)
        try:
            cluster.start()
            cluster.create_user('cinder', conftest.CAPS)
            with cluster.connection() as client:
                soak = Soak(host.make(cluster, 'volumes'), client,
                            *_image(client, home))
                with futures.ThreadPoolExecutor(threads) as pool:
                    for _ in pool.map(
                            lambda number: time.monotonic() < ends
                            and soak.round(number), range(rounds)):
                        pass
                with client.open_ioctx('volumes') as ioctx:
                    assert not list(rbd.RBD().list(ioctx))
        finally:
            cluster.purge()
    return soak.done


def _image(client, home: pathlib.Path) -> tuple[dict, str, pathlib.Path]:
    """An image as Glance's RBD store keeps it."""
    path = home / 'image.raw'
    path.write_bytes(b'soak' * (SIZE // 4))
    meta = host.image_meta(path, 'raw')
    location = host.store_in_glance(client, meta['id'], path.read_bytes())
    return meta, location, path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--rounds', type=int, default=10000)
    parser.add_argument('--threads', type=int, default=20)
    parser.add_argument('--minutes', type=float, default=60.0,
                        help='begin no round after that time')
    options = parser.parse_args()
    began = time.monotonic()
    done = run(options.rounds, options.threads, options.minutes * 60)
    print(f'{done} rounds in {time.monotonic() - began:.0f} s, librbd '
          f'{".".join(map(str, rbd.RBD().version()))}')
    return int(done == 0)


if __name__ == '__main__':
    sys.exit(main())
