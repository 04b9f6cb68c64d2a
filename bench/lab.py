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

"""Where the contenders meet: one Ceph, fresh pools, one turn after another."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from concurrent import futures
import contextlib
import dataclasses
import os
import pathlib
import shutil
import sys
import time
from typing import Any
import uuid

import rbd

from bench import contender
from bench import crowd
from bench import data
from bench import footprint
from bench import glance
from bench import sessions
from sandbox import ceph

IMAGES = 'images'
VOLUMES = 'volumes'  # of another cluster
USER = 'cinder'
FEATURES = 61  # Ceph's default: layering, locks, object map, fast diff ...
ORDER = 22  # Cinder's objects of 4 MiB
GLANCE_ORDER = 23  # Glance's objects of 8 MiB

Samples = dict[str, list[contender.Sample]]
Action = Callable[[], contender.Sample]


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much is measured.

    :param rounds: turns of each contender that count
    :param many: the same of what users wait for and takes a moment
    :param long: the same where one takes half a minute
    :param api: the same through the API of a cloud
    :param row: volumes made in a row
    :param at_once: volumes made at the same time
    :param children: earlier children of a cached image
    :param pool: images in the pool, a multiple of 1,000 each
    :param storm: volumes at once through the API
    :param disk: of the direct clones and copies
    :param cloned: of the clones of small images, of whole GiB
    :param imported: what is imported without conversion
    :param encrypted: what is imported into encrypted volumes
    :param converted: what is imported from another format
    :param sparse: what is imported to see how much memory that takes
    """

    rounds: int
    many: int
    long: int
    api: int
    row: int
    at_once: int
    children: tuple[int, ...]
    pool: tuple[int, ...]
    storm: int
    disk: data.Disk
    cloned: data.Disk
    imported: data.Disk
    encrypted: data.Disk
    converted: data.Disk
    sparse: data.Disk


FULL = Scale(7, 100, 3, 20, 20, 32, (1, 10, 100, 1000),
             (1000, 10_000, 100_000), 1000,
             data.Disk(4 * data.GIB, 512 * data.MIB),
             data.Disk(1 * data.GIB, 64 * data.MIB),
             data.Disk(1 * data.GIB, 128 * data.MIB),
             data.Disk(256 * data.MIB, 64 * data.MIB),
             data.Disk(2 * data.GIB, 256 * data.MIB),
             data.Disk(20 * data.GIB, 512 * data.MIB))
QUICK = Scale(2, 5, 1, 4, 4, 8, (1, 10, 50), (1000, 2000), 50,
              data.Disk(1 * data.GIB, 128 * data.MIB),
              data.Disk(1 * data.GIB, 64 * data.MIB),
              data.Disk(256 * data.MIB, 64 * data.MIB),
              data.Disk(256 * data.MIB, 64 * data.MIB),
              data.Disk(1 * data.GIB, 128 * data.MIB),
              data.Disk(2 * data.GIB, 64 * data.MIB))


class Lab:
    """The cluster and the contenders.

    :param directory: for all files; that of this run is removed at the end,
        the images stay
    """

    def __init__(self, directory: pathlib.Path, scale: Scale) -> None:
        self.scale = scale
        self.images = data.Images(directory / 'images')
        self._run = directory / f'run-{uuid.uuid4().hex[:6]}'
        # Ceph's own intervals: a monitor made quick would flatter whoever
        # makes many snapshots.
        self.cluster = ceph.Cluster(self._run / 'ceph', pools=[IMAGES],
                                    paxos_propose_interval=None)
        self.glance = glance.Glance()
        self._client: Any = None
        self._sessions: Any = None
        self._contenders: dict[str, contender.Contender] = {}

    @contextlib.contextmanager
    def running(self) -> Iterator[Lab]:
        """Start everything; stop and remove it at the end."""
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, self._run, ignore_errors=True)
            stack.callback(self.cluster.purge)
            self.cluster.start()
            self.cluster.create_user(USER, {
                'mon': 'profile rbd', 'osd': 'profile rbd',
                'mgr': 'profile rbd'})
            self._client = stack.enter_context(self.cluster.connection())
            self._sessions = sessions.Counter(self.cluster.connection)
            stack.enter_context(self.glance.running())
            for kind in ('ours', 'intree', 'limit'):
                self._contenders[kind] = stack.enter_context(
                    self.contender(kind))
            yield self

    @contextlib.contextmanager
    def contender(self, kind: str) -> Iterator[contender.Contender]:
        """One more process."""
        made = contender.Contender(
            kind, self._run / f'{kind}-{uuid.uuid4().hex[:6]}',
            conf=self.cluster.conf(USER), user=USER, glance=self.glance.url)
        try:
            yield made
        finally:
            made.stop()

    @contextlib.contextmanager
    def replicated(self, copies: int) -> Iterator[
            tuple[ceph.Cluster, contender.Contender]]:
        """Another cluster, with so many copies of all data, and our driver."""
        directory = self._run / f'copies-{uuid.uuid4().hex[:6]}'
        cluster = ceph.Cluster(directory / 'ceph', pools=[VOLUMES],
                               osds=copies)
        with contextlib.ExitStack() as stack:
            stack.callback(cluster.purge)
            cluster.start()
            cluster.command('osd pool set', pool=VOLUMES, var='size',
                            val=str(copies))
            cluster.create_user(USER, {
                'mon': 'profile rbd', 'osd': 'profile rbd',
                'mgr': 'profile rbd'})
            made = contender.Contender(
                'ours', directory / 'ours', conf=cluster.conf(USER),
                user=USER, glance=self.glance.url)
            stack.callback(made.stop)
            yield cluster, made

    def __getitem__(self, kind: str) -> contender.Contender:
        return self._contenders[kind]

    # -- pools and images ----------------------------------------------------

    @contextlib.contextmanager
    def pools(self, *, ours: Mapping[str, Any] | None = None,
              intree: Mapping[str, Any] | None = None,
              ) -> Iterator[dict[str, str]]:
        """A fresh pool for each contender, with the drivers started on it.

        :param ours: options of the backend's section of our driver
        :param intree: the same of the in-tree driver
        """
        mark = uuid.uuid4().hex[:6]
        names = {kind: f'{kind}-{mark}' for kind in self._contenders}
        try:
            with self._quick_monitor():
                for name in names.values():
                    self.cluster.create_pool(name)
            self._client.wait_for_latest_osdmap()
            self['ours'].call('open', pool=names['ours'], options=ours or {})
            self['intree'].call('open', pool=names['intree'],
                                options=intree or {})
            yield names
        finally:
            with self._quick_monitor():
                for name in names.values():
                    self._client.delete_pool(name)

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
        path = self.images.path(disk)
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
        with self._quick_monitor(), \
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
        with self._quick_monitor(), \
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
    def _quick_monitor(self) -> Iterator[None]:
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

    def image(self, disk: data.Disk) -> str:
        """A new image in Glance, kept in a file; its id."""
        image, path = self.images.image(disk)
        self.glance.add(image, glance.FileStore(path))
        return str(image['id'])

    def stored_image(self, disk: data.Disk) -> tuple[str, list[str]]:
        """A new image in Glance's RBD store on the same cluster.

        :returns: its id, and its snapshot: pool, image, snapshot
        """
        facts, path = self.images.image(disk)
        image = str(facts['id'])
        if disk.disk_format == 'raw':
            self.store(IMAGES, image, disk, GLANCE_ORDER)
        else:
            self.store_file(IMAGES, image, path)
        snapshot = self.snapshot(IMAGES, image, 'snap')
        self.glance.add(facts, glance.RBDStore(self._client, snapshot))
        self.know(image, locations=[
            f'rbd://{self.cluster.fsid}/' + '/'.join(snapshot)])
        return image, snapshot

    def know(self, image: str, *kinds: str, **facts: Any) -> None:
        """Give the drivers an image (see Host.add_image)."""
        for kind in kinds or ('ours', 'intree'):
            self[kind].call('add_image', image_id=image,
                            **{'locations': [], **facts})

    def volume(self, kind: str, pool: str, disk: data.Disk) -> str:
        """A volume with a disk's data, known to a driver; its id."""
        volume = str(self[kind].call('add_volume',
                                     size=disk.gib))
        self.store(pool, self.name_of(kind, volume), disk)
        return volume

    def name_of(self, kind: str, volume: str) -> str:
        """The name of a volume's RBD image."""
        return str(self[kind].call('name_of', volume_id=volume))

    # -- measuring -----------------------------------------------------------

    def turns(self, actions: Mapping[str, Action],
              rounds: int | None = None, warm_up: bool = True) -> Samples:
        """Have the contenders take turns.

        Which one comes first changes from round to round.

        :param rounds: those that count; by default the scale's
        :param warm_up: whether one more comes first, that does not count
        """
        samples: Samples = {who: [] for who in actions}
        order = list(actions)
        for number in range(-warm_up, rounds or self.scale.rounds):
            for who in order:
                sample = self._watched(actions[who])
                if number >= 0:
                    samples[who].append(sample)
            order.append(order.pop(0))
        return samples

    def long_turns(self, actions: Mapping[str, Action]) -> Samples:
        """The same where a turn takes half a minute.

        None comes first to warm up: one of three does not move the median.
        """
        return self.turns(actions, self.scale.long, warm_up=False)

    def footprints(self, actions: Mapping[str, Action],
                   ) -> dict[str, footprint.Footprint]:
        """What each contender's operation, when warm, leaves in Ceph."""
        return {who: footprint.of(self._client, action, self.scale.long)
                for who, action in actions.items()}

    def _watched(self, action: Action) -> contender.Sample:
        """Do something, and add what others saw of it."""
        self._sessions.opened()
        downloads = self.glance.downloads
        sample = action()
        return dataclasses.replace(
            sample, connections=self._sessions.opened(),
            downloads=self.glance.downloads - downloads)


def _add_snapshot(image: rbd.Image) -> None:
    name = f'volume-{uuid.uuid4()}.clone_snap'
    image.create_snap(name)
    image.protect_snap(name)


def say(text: str) -> None:
    """Report to whoever waits what goes on."""
    print(f'[bench] {time.strftime("%H:%M:%S")} {text}', file=sys.stderr,
          flush=True)
