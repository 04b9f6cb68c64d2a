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
"""Golden images in a pool: find, publish, use, pin and retire them."""

import collections
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
import contextlib
import time

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import names
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph import parts
from rbd_imgdriver import model

# A use is recorded at most this often, in seconds: it is a write, and the
# order of uses within a minute does not matter to eviction.
_USE_INTERVAL = 60.0


class Store:
    """The golden images of one pool.

    :param clock: seconds since the epoch
    """

    def __init__(self, pool: parts.Pool,
                 clock: Callable[[], float] = time.time) -> None:
        self.pool = pool
        self._clock = clock
        self._recorded: dict[str, float] = {}
        self._in_use: collections.Counter[str] = collections.Counter()

    def entries(self) -> list[entry.Entry]:
        """All entries of the pool; not for the path of a hit."""
        found = (entry.parse(image.name, image.id, image.size, image.metadata)
                 for image in self.pool.directory.listed(names.GOLDEN))
        return [one for one in found if one is not None]

    def snapshot(self, golden: str) -> clones.SnapshotSpec:
        """What is cloned to use an entry."""
        return clones.SnapshotSpec(self.pool.name, golden, names.SNAPSHOT)

    def usable(self, golden: str, image: model.Image) -> bool:
        """Whether there is an entry that may be used for the image."""
        try:
            return (self.pool.directory.exists(golden)
                    and self.verified(golden, image))
        except ceph_errors.ImageNotFound:
            return False  # evicted meanwhile

    def verified(self, golden: str, image: model.Image) -> bool:
        """Whether the signature of an entry's data was verified, if it has to.

        Of an image without a signature nothing is looked up.

        :raises rbd_imgdriver.ceph.errors.ImageNotFound: when it is looked up
            and there is no such entry
        """
        if not image.signature:
            return True
        found = entry.parse(golden, self.pool.directory.id(golden), 0,
                            self.pool.headers.metadata(golden))
        return found is not None and found.verified(image)

    @contextlib.contextmanager
    def using(self, golden: str) -> Iterator[None]:
        """Keep this process from evicting an entry while it is cloned.

        Another host may evict it all the same; then the clone fails cleanly
        and counts as a miss.
        """
        self._in_use[golden] += 1
        try:
            yield
        finally:
            self._in_use[golden] -= 1
            if not self._in_use[golden]:
                del self._in_use[golden]

    def in_use(self) -> Collection[str]:
        """The entries that this process is cloning now."""
        return tuple(self._in_use)

    def publish(self, partial: str, golden: str, image: model.Image) -> None:
        """Turn a complete partial image into an entry.

        The snapshot and the facts come first and the name last: whoever
        finds the name finds a whole entry.

        :raises rbd_imgdriver.ceph.errors.ImageExists: when somebody else
            has published the same data
        """
        self.pool.snapshots.ensure(partial, names.SNAPSHOT)
        rbd_id = self.pool.directory.id(partial)
        self.pool.headers.update(
            partial, entry.facts(image, rbd_id, self._clock()))
        self.pool.images.rename(partial, golden)

    def drop(self, partial: str) -> None:
        """Remove a partial image, with the snapshot it may have already."""
        self.pool.snapshots.remove(partial, names.SNAPSHOT)
        self.pool.images.remove(partial)

    def record_use(self, golden: str) -> None:
        """Remember that an entry was used now."""
        now = self._clock()
        if now - self._recorded.get(golden, 0.0) < _USE_INTERVAL:
            return
        self.pool.headers.update(golden, entry.used(now))
        self._recorded[golden] = now

    def pin(self, golden: str) -> None:
        """Keep an entry whatever the limits."""
        self.pool.headers.update(golden, entry.pin())

    def unpin(self, golden: str) -> None:
        """Let an entry go again when room is needed."""
        self.pool.headers.update(golden, {}, remove=entry.unpin())

    def retire(self, golden: str) -> bool:
        """Take an entry out of use without harm to its volumes.

        It goes to the trash, where its children keep reading it.

        :returns: whether its space is free already; if not, the sweep frees
            it after the last child
        """
        rbd_id = self.pool.directory.id(golden)
        self.pool.trash.move(golden)
        self._recorded.pop(golden, None)
        return self.pool.trash.free(rbd_id)
