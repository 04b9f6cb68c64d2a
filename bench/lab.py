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
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import dataclasses
import pathlib
import shutil
import sys
import time
from typing import Any
import uuid

from bench import contender
from bench import data
from bench import footprint
from bench import glance
from bench import scale as scales
from bench import sessions
from bench import stock as stocks
from sandbox import ceph

IMAGES = 'images'
VOLUMES = 'volumes'  # of another cluster
USER = 'cinder'

Samples = dict[str, list[contender.Sample]]
Action = Callable[[], contender.Sample]


class Lab:
    """The cluster and the contenders.

    :ivar stock: the images in the cluster, once it is running

    :param directory: for all files; that of this run is removed at the end,
        the images stay
    """

    def __init__(self, directory: pathlib.Path, scale: scales.Scale) -> None:
        self.scale = scale
        self.images = data.Images(directory / 'images')
        self._run = directory / f'run-{uuid.uuid4().hex[:6]}'
        # Ceph's own intervals: a monitor made quick would flatter whoever
        # makes many snapshots.
        self.cluster = ceph.Cluster(self._run / 'ceph', pools=[IMAGES],
                                    paxos_propose_interval=None)
        self.glance = glance.Glance()
        self.stock: stocks.Stock
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
            self.stock = stocks.Stock(self._client, self.images)
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
            with self.stock.quick_monitor():
                for name in names.values():
                    self.cluster.create_pool(name)
            self._client.wait_for_latest_osdmap()
            self['ours'].call('open', pool=names['ours'], options=ours or {})
            self['intree'].call('open', pool=names['intree'],
                                options=intree or {})
            yield names
        finally:
            with self.stock.quick_monitor():
                for name in names.values():
                    self._client.delete_pool(name)

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
            self.stock.store(IMAGES, image, disk,
                             stocks.GLANCE_ORDER)
        else:
            self.stock.store_file(IMAGES, image, path)
        snapshot = self.stock.snapshot(IMAGES, image, 'snap')
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
        self.stock.store(pool, self.name_of(kind, volume), disk)
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


def say(text: str) -> None:
    """Report to whoever waits what goes on."""
    print(f'[bench] {time.strftime("%H:%M:%S")} {text}', file=sys.stderr,
          flush=True)
