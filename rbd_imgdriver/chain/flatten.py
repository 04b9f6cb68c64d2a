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
"""One flatten: under a lease, watched, ended when it must not go on.

The intent is on the image (:mod:`rbd_imgdriver.chain.intents`).  The
flattener takes the image's lease, then looks for the intent, for snapshots
and for clients that have the image open, and goes on looking while it works.
Whoever needs the image meanwhile ends it, and waits for the lease:

* our own snapshots are made by the holder of that lease;
* whoever deletes the image removes the intent first;
* whoever attaches it asks for it by another lease (:func:`stop_name`).

Others ask nobody: Cinder's backup driver, an operator's ``rbd``.  What they
do is seen after half a second, and no byte depends on that
(:mod:`rbd_imgdriver.ceph.images.object_maps`).

The lease may expire while its holder is suspended or starved.  Therefore work
goes on for :data:`_FRESH` seconds after a renewal only.  Another host can
begin :data:`LEASE_SECONDS` after it; between the two lies more than the time
after which Ceph takes a silent client's exclusive lock away
(``osd_client_watch_timeout``, 30 s), and blocklists it when the other host
takes it.
"""

import secrets
import socket
import threading
import time

from oslo_log import log as logging

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import flatten
from rbd_imgdriver.ceph.images import object_maps
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.ceph.wire import leases
from rbd_imgdriver.chain import intents
from rbd_imgdriver.chain import moving
from rbd_imgdriver.chain import names
from rbd_imgdriver.chain import release
from rbd_imgdriver import signals

LOG = logging.getLogger(__name__)

LEASE_SECONDS = 50
_FRESH = 15  # seconds after a renewal during which the work may go on
_RENEW = 4  # seconds between renewals
_LOOK = 0.5  # seconds between looks at what may end a flatten
_REPORT = 5  # seconds between reports of progress


def lease_name(image_id: str) -> str:
    """The lease of the host that flattens an image."""
    return f'flatten-{image_id}'


def stop_name(image_id: str) -> str:
    """The lease of whoever wants an image not to be flattened now."""
    return f'unflatten-{image_id}'


def run(pool: parts.Pool, image_id: str, progress: flatten.Progress,
        rules: names.Names) -> None:
    """Flatten an image if that is wanted and nobody else does it.

    :param progress: to look at, and to cancel it with
    :raises errors.CephError: when it fails; the intent stays for another try
    """
    if pool.leases.holder(stop_name(image_id)) is not None:
        return
    lease = leases.Lease(lease_name(image_id), secrets.token_hex(8),
                         LEASE_SECONDS)
    progress.valid_until = time.monotonic() + _FRESH
    if not pool.leases.acquire(lease, {'host': socket.gethostname()}):
        return
    try:
        _run(pool, image_id, progress, rules, lease)
    except errors.ImageBusy as error:
        LOG.info('Flattening in pool %(pool)s has to wait: %(error)s',
                 {'pool': pool.name, 'error': error})
    except errors.Cancelled:
        LOG.info('Flattening of image id %s in pool %s was ended early.',
                 image_id, pool.name)
    finally:
        pool.leases.release(lease)


def _run(pool: parts.Pool, image_id: str, progress: flatten.Progress,
         rules: names.Names, lease: leases.Lease) -> None:
    intent = _wanted(pool, image_id)
    if intent is None:
        with _Keeper(pool, image_id, lease, progress):
            pool.clones.restore_object_maps(image_id, progress)
        return
    began = time.monotonic()
    with _Keeper(pool, image_id, lease, progress):
        pool.clones.flatten(image_id, progress)
    seconds = time.monotonic() - began
    signals.send(signals.Flattened(pool.name, image_id, seconds))
    LOG.info('Flattened image id %(id)s in pool %(pool)s in %(seconds).1f s.',
             {'id': image_id, 'pool': pool.name, 'seconds': seconds})
    if pool.ancestry.is_lone(image_id):
        # Otherwise a snapshot was made by somebody else than this driver:
        # its readers may still ask the parent.
        release.release(pool, intent.parent, rules)
        pool.headers.update_id(image_id, {}, intents.KEYS)
        _strike_out(pool, image_id)


def _strike_out(pool: parts.Pool, image_id: str) -> None:
    """Nobody has to look at an image again, unless it is being moved."""
    notes = pool.headers.metadata_id(image_id)
    if notes.keys().isdisjoint((object_maps.KEY, moving.KEY)):
        pool.unfinished.remove([image_id])


def _wanted(pool: parts.Pool, image_id: str) -> intents.Intent | None:
    """The intent to flatten an image, unless it must not be flattened."""
    try:
        if not pool.ancestry.is_lone(image_id):
            return None
    except errors.ImageNotFound:
        return None
    return intents.parse(image_id,
                         pool.headers.value(image_id, intents.KEY))


class _Keeper:
    """Renews the lease, reports the progress, and ends what must not go on."""

    def __init__(self, pool: parts.Pool, image_id: str,
                 lease: leases.Lease, progress: flatten.Progress) -> None:
        self._pool = pool
        self._image_id = image_id
        self._lease = lease
        self._progress = progress
        self._over = threading.Event()
        self._renewed = self._reported = time.monotonic()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._over.wait(_LOOK):
            try:
                self._look()
            except errors.CephError as error:
                LOG.warning('Flattening of image id %(id)s: %(error)s',
                            {'id': self._image_id, 'error': error})
                if isinstance(error, leases.LeaseLost):
                    self._progress.valid_until = 0

    def _look(self) -> None:
        if self._since(self._renewed) > _RENEW:
            now = time.monotonic()
            self._pool.leases.renew(self._lease)
            self._renewed = now
            self._progress.valid_until = now + _FRESH
        if self._pool.leases.holder(stop_name(self._image_id)) is not None:
            self._progress.stop()
        if (_wanted(self._pool, self._image_id) is None
                or self._pool.usage.watches(self._image_id) > 1):
            self._progress.cancelled = True
        if self._since(self._reported) > _REPORT:
            self._report()
            self._reported = time.monotonic()

    def _report(self) -> None:
        percent = str(self._progress.percent)
        LOG.info('Flattening image id %(id)s in pool %(pool)s: %(percent)s %%',
                 {'id': self._image_id, 'pool': self._pool.name,
                  'percent': percent})
        if not self._progress.cancelled:
            self._pool.headers.update_id(self._image_id,
                                     {intents.PROGRESS_KEY: percent})

    @staticmethod
    def _since(when: float) -> float:
        return time.monotonic() - when


def is_unfinished(image_id: str, intent: str | None,
                  without_map: str | None) -> bool:
    """Whether an image's notes say that a flatten of it is left."""
    return (intents.parse(image_id, intent) is not None
            or object_maps.parse(image_id, without_map) != 0)
