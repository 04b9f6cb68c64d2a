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

"""One client at a time removes an image, and drops no snapshot of it.

librbd gives the exclusive lock of an image to whoever asks for it, even while
it removes the image's objects.  Then it ends the whole process: an assertion
in ``C_RemoveObject::send`` (src/librbd/operation/TrimRequest.cc), seen with
Ceph 16.2.15.  Who asks is whoever removes the same image just then, for
example because the last two of its clones go at once, or one of its
snapshots.

So whoever removes an image has a lease.  Whoever drops a snapshot opens the
image, which all can see, and only then looks for the lease: either it sees
the lease, or the remover, who took it before, sees that the image is open,
and librbd refuses to remove it.  No byte depends on that.

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import secrets
import socket
import time
from typing import Any

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.wire import leases

_SECONDS = 30  # as long as Ceph takes to forget a client that has died
_RENEW = 5  # seconds between renewals, while objects are removed

# Of leases that could not be given back: their client had been replaced, and
# only itself could have.
_left: set[str] = set()


def lease_name(image_id: str) -> str:
    """The lease of who removes an image."""
    return f'remove-{image_id}'


@contextlib.contextmanager
def alone(ioctx: Any, image_id: str) -> Iterator[Callable[[int, int], int]]:
    """Keep other clients from removing an image, or its snapshots.

    :returns: what librbd is to call with its progress, which keeps the lease
    :raises errors.ImageBusy: when another client removes it
    """
    lease = leases.Lease(lease_name(image_id), secrets.token_hex(8),
                         _SECONDS)
    if not _acquire(ioctx, lease):
        raise _busy(image_id)
    renewed = time.monotonic()

    def keep(done: int, total: int) -> int:
        nonlocal renewed
        if time.monotonic() - renewed > _RENEW:
            renewed = time.monotonic()
            # librbd's own thread must not wait for an answer.
            leases.ask_to_renew(ioctx, lease)
        return 0

    try:
        yield keep
    finally:
        try:
            leases.release(ioctx, lease)
        except errors.CephError:
            _left.add(lease.cookie)  # for others, it expires


def check_none(ioctx: Any, image_id: str) -> None:
    """Make sure that nobody removes an image that this client has open.

    :raises errors.ImageBusy: when another client does
    """
    if leases.holder(ioctx, lease_name(image_id)) is not None:
        raise _busy(image_id)


def _acquire(ioctx: Any, lease: leases.Lease) -> bool:
    facts = {'host': socket.gethostname(), 'token': lease.cookie}
    if leases.acquire(ioctx, lease, facts):
        return True
    holder = leases.holder(ioctx, lease.name) or {}
    if holder.get('token') not in _left:
        return False
    # An attempt of this process that is over.
    leases.drop(ioctx, lease.name)
    return leases.acquire(ioctx, lease, facts)


def _busy(image_id: str) -> errors.ImageBusy:
    return errors.ImageBusy(
        f'image id {image_id} is just being removed by another client')
