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
"""The flattens of one process: a queue, workers, and waiting callers."""

import collections
from collections.abc import Iterator
import contextlib
import secrets
import socket
import threading
import time

from oslo_log import log as logging

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import flatten as ceph_flatten
from rbd_imgdriver.ceph.images import object_maps
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.ceph.wire import leases
from rbd_imgdriver.chain import flatten
from rbd_imgdriver.chain import intents
from rbd_imgdriver.chain import jobs
from rbd_imgdriver.chain import moving
from rbd_imgdriver.chain import names

LOG = logging.getLogger(__name__)

# A flatten that its image's client has taken over cannot be ended, only
# waited for.
_LONGEST_WAIT = 600.0
# 0 means "as many as you like" to Cinder.  Each takes a native thread, of
# which a service has 20 by default.
_UNLIMITED = 8
# Seconds that a flatten is kept from going on: while somebody waits for its
# end (renewed by nobody, so longer than the longest wait), while a snapshot is
# made, and until a client that was given an image's address has opened it.
_SHORTLY = _LONGEST_WAIT
_HOLD_SECONDS = 15.0
_OPENING = 120.0


class Flattener:
    """Flattens images in the background.

    :param concurrency: ``rbd_concurrent_flatten_operations``
    :param rules: how volumes are named
    """

    def __init__(self, concurrency: int, rules: names.Names) -> None:
        self._limit = concurrency or _UNLIMITED
        self._rules = rules
        self._lock = threading.Lock()
        self._queue: collections.deque[jobs.Job] = collections.deque()
        self._running: dict[jobs.Job, ceph_flatten.Progress] = {}

    @property
    def waiting(self) -> int:
        """How many images wait here to be flattened."""
        return len(self._queue)

    def request(self, pool: parts.Pool, image: str) -> None:
        """Flatten an image in the background.

        Returns when the intent is recorded on the image.  One that is no
        clone needs nothing.

        :raises errors.ImageNotFound: when there is no such image
        """
        image_id = pool.directory.id(image)
        parent = pool.ancestry.parent(image_id)
        if parent is None:
            return
        intent = intents.Intent(image_id, parent)
        pool.headers.update_id(image_id, {intents.KEY: intents.value(intent)})
        pool.unfinished.add([image_id])
        LOG.info('Image %(pool)s/%(image)s is going to be flattened.',
                 {'pool': pool.name, 'image': image})
        self._enqueue(jobs.Job(pool.name, image_id, pool))

    def resume(self, pool: parts.Pool) -> None:
        """Take up what this host or another has left undone.

        Costs 0.6 ms for each image that is known to be unfinished.  Those
        that are not so any more are forgotten; if one becomes so in the same
        moment, whoever did that has it in a queue, too.
        """
        known = pool.unfinished.ids()
        moved = {image_id for image_id in known if moving.parse(
            image_id, pool.headers.value(image_id, moving.KEY)) is not None}
        unfinished = {
            image_id for image_id in known if flatten.is_unfinished(
                image_id, pool.headers.value(image_id, intents.KEY),
                pool.headers.value(image_id, object_maps.KEY))}
        pool.unfinished.remove(known - unfinished - moved)
        for image_id in sorted(unfinished):
            self._enqueue(jobs.Job(pool.name, image_id, pool))

    def look_everywhere(self, pool: parts.Pool) -> None:
        """Find what is unfinished and not known to be, for ``resume``.

        For example where somebody died between the two notes, or restored a
        pool.  Reads every header of the pool three times: 0.6 ms for each
        image.
        """
        wanted = pool.directory.values(intents.KEY)
        without_map = pool.directory.values(object_maps.KEY)
        moves = pool.directory.values(moving.KEY)
        pool.unfinished.add([
            image_id for image_id
            in wanted.keys() | without_map.keys() | moves.keys()
            if moving.parse(image_id, moves.get(image_id)) is not None
            or flatten.is_unfinished(image_id, wanted.get(image_id),
                                     without_map.get(image_id))])

    def settle(self, pool: parts.Pool, image: str,
               patience: float) -> bool:
        """Let a wanted flatten of an image finish before others.

        :param patience: seconds to wait for it at most
        :returns: whether nothing is left to do; False when it takes longer
            than that, has failed, or cannot be done now
        """
        job = jobs.Job(pool.name, pool.directory.id(image), pool)
        deadline = time.monotonic() + patience
        if not self._is_wanted(job):
            return True
        # What put it off, for example a clone, may have gone meanwhile.
        self._enqueue(job)
        self._prefer(job)
        while self._is_wanted(job):
            if time.monotonic() > deadline or not self._is_under_way(job):
                return not self._is_wanted(job)
            time.sleep(jobs.POLL)
        return True

    def end(self) -> None:
        """Begin nothing more, and cancel what is under way.

        It is noted on the images, for whoever resumes it.
        """
        with self._lock:
            self._queue.clear()
            for progress in self._running.values():
                progress.cancelled = True

    def cancel(self, pool: parts.Pool, image_id: str) -> None:
        """Give up flattening an image, here or on another host.

        :raises errors.ImageBusy: when the client that has the image open is
            at it and does not end
        """
        job = jobs.Job(pool.name, image_id, pool)
        if self._is_wanted(job):
            pool.headers.update_id(image_id, {}, intents.KEYS)
            pool.unfinished.remove([image_id])
            with self._lock:
                if job in self._queue:
                    self._queue.remove(job)
        name = flatten.lease_name(image_id)
        if pool.leases.holder(name) is not None:
            with self._stopped(job, _SHORTLY):
                job.until(lambda: pool.leases.holder(name) is None,
                          _LONGEST_WAIT)

    @contextlib.contextmanager
    def held_off(self, pool: parts.Pool,
                 image_id: str) -> Iterator[None]:
        """Nobody flattens an image within the block, here or elsewhere.

        A flatten that is under way is ended, and taken up again afterwards
        if it still can be.

        :raises errors.ImageBusy: when the client that has the image open is
            at it and does not end
        """
        job = jobs.Job(pool.name, image_id, pool)
        lease = leases.Lease(flatten.lease_name(image_id),
                             secrets.token_hex(8), _HOLD_SECONDS)
        holder = {'host': socket.gethostname()}
        ended = not pool.leases.acquire(lease, holder)
        if ended:
            with self._stopped(job, _SHORTLY):
                job.until(lambda: pool.leases.acquire(lease, holder),
                          _LONGEST_WAIT)
        try:
            yield
        finally:
            pool.leases.release(lease)
            if ended:
                self._enqueue(job)

    def make_way(self, pool: parts.Pool, image_id: str) -> None:
        """Let a client open an image: end its flatten, and begin none soon.

        Costs two calls (0.4 ms) when no flatten is wanted.  One that takes
        too long to end goes on beside the client, which harms no byte.
        """
        job = jobs.Job(pool.name, image_id, pool)
        name = flatten.lease_name(image_id)
        busy = pool.leases.holder(name) is not None
        if not busy and not self._is_wanted(job):
            return
        # It expires by itself: by then the client has the image open.
        self._ask_to_stop(job, _OPENING)
        try:
            job.until(lambda: pool.leases.holder(name) is None, _OPENING / 2)
        except errors.ImageBusy as error:
            LOG.warning('An image is attached while it is flattened: %s',
                        error)

    @contextlib.contextmanager
    def _stopped(self, job: jobs.Job, seconds: float) -> Iterator[None]:
        lease = self._ask_to_stop(job, seconds)
        try:
            yield
        finally:
            job.pool.leases.release(lease)

    def _ask_to_stop(self, job: jobs.Job, seconds: float) -> leases.Lease:
        """Notify the flattener of an image that somebody waits for it."""
        lease = leases.Lease(flatten.stop_name(job.image_id),
                             secrets.token_hex(8), seconds)
        job.pool.leases.acquire(lease, {'host': socket.gethostname()})
        with self._lock:
            progress = self._running.get(job)
        if progress is not None:
            progress.stop()
        return lease

    def _enqueue(self, job: jobs.Job) -> None:
        with self._lock:
            if job in self._running or job in self._queue:
                return
            self._queue.append(job)
            if len(self._running) >= self._limit:
                return
            job = self._next()
        threading.Thread(target=self._work, args=(job,),
                         daemon=True).start()

    def _prefer(self, job: jobs.Job) -> None:
        with self._lock:
            if job in self._queue:
                self._queue.remove(job)
                self._queue.appendleft(job)

    def _next(self) -> jobs.Job:
        """Take the first job; call it with the lock held."""
        job = self._queue.popleft()
        self._running[job] = ceph_flatten.Progress()
        return job

    def _work(self, job: jobs.Job) -> None:
        while True:
            self._do(job)
            with self._lock:
                del self._running[job]
                if not self._queue:
                    return
                job = self._next()

    def _do(self, job: jobs.Job) -> None:
        try:
            flatten.run(job.pool, job.image_id, self._running[job],
                        self._rules)
        except errors.CephError as error:
            LOG.error('Image id %(id)s in pool %(pool)s could not be '
                      'flattened; it will be tried again: %(error)s',
                      {'id': job.image_id, 'pool': job.pool_name,
                       'error': error})
        except Exception:
            LOG.exception('Flattening of image id %s failed', job.image_id)

    def _is_wanted(self, job: jobs.Job) -> bool:
        text = job.pool.headers.value(job.image_id, intents.KEY)
        return intents.parse(job.image_id, text) is not None

    def _is_under_way(self, job: jobs.Job) -> bool:
        with self._lock:
            if job in self._running or job in self._queue:
                return True
        holder = job.pool.leases.holder(flatten.lease_name(job.image_id))
        return holder is not None
