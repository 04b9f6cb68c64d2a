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
"""What it costs to run qemu-img where there is nothing to open.

    python -m bench.confinement [ROUNDS]

Converts one small qcow2 image into RBD, in turn as an import does it and with
the same qemu-img, limits and options outside the sandbox, straight to Ceph.
"""

from collections.abc import Callable
import contextlib
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import pool as ceph_pool
from rbd_imgdriver.importer.qemu import arguments
from rbd_imgdriver.importer.qemu import confined
from rbd_imgdriver.importer.qemu import convert
from rbd_imgdriver.importer.qemu import memfd
from sandbox import ceph

SIZE = 4 * 2**20  # of the disk
LIMITS = confined.Limits('nobody', 4 * 2**30, 120, 300)
NAME = 'volume-x'


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 21
    with tempfile.TemporaryDirectory(prefix='bench-') as place:
        cluster = ceph.Cluster(pathlib.Path(place) / 'ceph',
                               pools=['volumes'], bound=True)
        try:
            cluster.start()
            cluster.create_user('cinder', {
                'mon': 'profile rbd', 'mgr': 'profile rbd',
                'osd': 'profile rbd pool=volumes'})
            _measure(cluster, _image(pathlib.Path(place)), rounds)
        finally:
            cluster.purge()
    return 0


def _image(place: pathlib.Path) -> bytes:
    raw, qcow2 = place / 'raw', place / 'qcow2'
    raw.write_bytes(os.urandom(SIZE))
    subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', raw,
                    qcow2], check=True)
    return qcow2.read_bytes()


def _measure(cluster: ceph.Cluster, data: bytes, rounds: int) -> None:
    pool = ceph_pool.Pool(connection.cluster(connection.ClusterSpec(
        'ceph', cluster.conf('cinder'), 'cinder')), 'volumes')
    ways = {'in the sandbox': _inside, 'outside': _outside}
    wall: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            with memfd.file('image', data) as file, _volume(pool), \
                    convert.cluster(pool) as known:
                confined.let_read(file, LIMITS.user)
                source = arguments.Source('qcow2', arguments.local(file))
                began, used = time.monotonic(), _cpu()
                way(source, known.node('volumes', NAME))
                wall[name].append(time.monotonic() - began)
                cpu[name].append(_cpu() - used)
    print(f'qemu-img info and convert, a qcow2 image of {len(data) >> 20} '
          f'MiB, medians of {rounds}')
    for name in ways:
        print(f'{name:<16}{statistics.median(wall[name]) * 1000:7.0f} ms, '
              f'{statistics.median(cpu[name]) * 1000:5.0f} ms of processor '
              'time')


@contextlib.contextmanager
def _volume(pool: ceph_pool.Pool):
    id_ = pool.images.create(NAME, SIZE, 22)
    try:
        yield
    finally:
        pool.images.remove(NAME, id_)


def _cpu() -> float:
    """Of the programs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


Way = Callable[[arguments.Source, arguments.Node], None]


def _inside(source: arguments.Source, into: arguments.Node) -> None:
    convert.info(source, LIMITS, lambda: None)
    convert.convert(source, arguments.Target('raw', into), SIZE, LIMITS,
                    lambda _: None, zeroed=True)


def _outside(source: arguments.Source, into: arguments.Node) -> None:
    confined.run(['qemu-img', 'info', '--output=json', source.name], LIMITS,
                 source.node.inherited)
    confined.run(
        ['qemu-img', 'convert', '-n', '--target-is-zero', '-W', '-m', '16',
         *into.arguments, '--target-image-opts', source.name,
         arguments.Target('raw', into).name], LIMITS,
        (*source.node.inherited, *into.inherited))


if __name__ == '__main__':
    sys.exit(main())
