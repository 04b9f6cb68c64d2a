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
"""Leases: locks that expire unless their holder keeps renewing them.

For economy, not for correctness: they keep two hosts from doing the same
long work at once, and let another take over when one dies.  All leases of a
pool are locks of the ``lock`` object class (src/cls/lock/cls_lock.cc) on one
RADOS object, which is never removed; the OSD's clock decides on expiry.  What
the holder says of itself is written in the same operation that takes the
lock.
"""

import dataclasses
import json
import struct
from typing import Any

import rados

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph import native
from rbd_imgdriver.ceph.wire import encoding
from rbd_imgdriver.ceph.wire import locks

_OBJECT = 'rbd-imgdriver.leases'
_EXCLUSIVE = 1
_MUST_RENEW = 2
_HOLDER = 'holder.'  # xattr beside the object class's own ``lock.<name>``


class LeaseLost(errors.CephError):
    """The lease expired, and somebody else may have it now."""

    code = 'lease-lost'


@dataclasses.dataclass(frozen=True)
class Lease:
    """A lease that was acquired.

    :param name: what it is for; up to 80 bytes
    :param cookie: of this holder alone, for example a random token
    :param seconds: after which it expires unless renewed
    """

    name: str
    cookie: str
    seconds: float


class Leases(native.Part):
    """The leases of a pool."""

    @native.in_native_thread
    def acquire(self, lease: Lease, holder: dict[str, str]) -> bool:
        """Take a lease if nobody has it.

        :param holder: what others may know of the holder
        """
        return acquire(self._ioctx, lease, holder)

    @native.in_native_thread
    def renew(self, lease: Lease) -> None:
        """Keep a lease for another period.

        :raises LeaseLost: when it had expired
        """
        try:
            with errors.translated(f'renewal of lease {lease.name}',
                                   errors.ObjectNotFound):
                self._ioctx.execute(_OBJECT, 'lock', 'lock',
                                    _lock(lease, _MUST_RENEW))
        except (errors.ObjectNotFound, errors.ImageBusy) as error:
            raise LeaseLost(f'lease {lease.name}: {error}') from error

    @native.in_native_thread
    def release(self, lease: Lease) -> None:
        """Give a lease back; one that was lost is left to its new holder."""
        release(self._ioctx, lease)

    @native.in_native_thread
    def drop(self, name: str) -> None:
        """End a lease, whichever client has it; for notes, not for work."""
        drop(self._ioctx, name)

    @native.in_native_thread
    def tidy(self) -> None:
        """Forget leases that have expired.

        Nobody else does when what they were for has gone.  Each is taken and
        removed in one operation, so it is never seen to be held.
        """
        for name in _names(self._ioctx):
            try:
                with errors.translated(f'lease {name}',
                                       errors.ObjectNotFound), \
                        rados.WriteOpCtx() as op:
                    op.execute('lock', 'lock', _lock(
                        Lease(name, 'tidy', 1), flags=0))
                    op.rm_xattr('lock.' + name)
                    op.rm_xattr(_HOLDER + name)
                    self._ioctx.operate_write_op(op, _OBJECT)
            except (errors.ImageBusy, errors.ObjectNotFound):
                continue  # somebody has it, or has just removed it

    @native.in_native_thread
    def holder(self, name: str) -> dict[str, str] | None:
        """What the holder of a lease said of itself; None when it is free."""
        return holder(self._ioctx, name)


def acquire(ioctx: Any, lease: Lease, holder: dict[str, str]) -> bool:
    """Take a lease if nobody has it; see :meth:`Leases.acquire`."""
    facts = json.dumps(holder, sort_keys=True).encode()
    try:
        with errors.translated(f'lease {lease.name}',
                               taken=errors.ImageBusy), \
                rados.WriteOpCtx() as op:
            op.execute('lock', 'lock', _lock(lease, flags=0))
            op.set_xattr(_HOLDER + lease.name, facts)
            ioctx.operate_write_op(op, _OBJECT)
    except errors.ImageBusy:
        return False
    return True


def ask_to_renew(ioctx: Any, lease: Lease) -> None:
    """Ask to keep a lease for another period, and wait for no answer."""
    ioctx.aio_execute(_OBJECT, 'lock', 'lock', _lock(lease, _MUST_RENEW), 0)


def release(ioctx: Any, lease: Lease) -> None:
    """Give a lease back; see :meth:`Leases.release`."""
    try:
        with errors.translated(f'release of lease {lease.name}',
                               errors.ObjectNotFound), \
                rados.WriteOpCtx() as op:
            op.execute('lock', 'assert_locked', _assertion(lease))
            op.rm_xattr('lock.' + lease.name)
            op.rm_xattr(_HOLDER + lease.name)
            ioctx.operate_write_op(op, _OBJECT)
    except (errors.ObjectNotFound, errors.ImageBusy):
        return


def drop(ioctx: Any, name: str) -> None:
    """End a lease, whichever client has it."""
    try:
        with errors.translated(f'end of lease {name}',
                               errors.ObjectNotFound), \
                rados.WriteOpCtx() as op:
            op.rm_xattr('lock.' + name)
            op.rm_xattr(_HOLDER + name)
            ioctx.operate_write_op(op, _OBJECT)
    except errors.ObjectNotFound:
        return


def holder(ioctx: Any, name: str) -> dict[str, str] | None:
    """What the holder of a lease said of itself; None when it is free."""
    try:
        if not locks.is_held(ioctx, _OBJECT, name):
            return None
        with errors.translated(f'holder of lease {name}',
                               errors.ObjectNotFound):
            facts = _facts(ioctx, name)
    except errors.ObjectNotFound:
        return None  # no lease was ever held in this pool
    return {str(key): str(value) for key, value in json.loads(facts).items()}


def _names(ioctx: Any) -> list[str]:
    """The leases that there are traces of."""
    try:
        with errors.translated('leases', errors.ObjectNotFound):
            return [key.removeprefix(_HOLDER) for key, _
                    in ioctx.get_xattrs(_OBJECT) if key.startswith(_HOLDER)]
    except errors.ObjectNotFound:
        return []  # no lease was ever held in this pool


def _facts(ioctx: Any, name: str) -> bytes:
    try:
        return bytes(ioctx.get_xattr(_OBJECT, _HOLDER + name))
    except rados.NoData:
        return b'{}'  # released between the two questions


def _lock(lease: Lease, flags: int) -> bytes:
    """A cls_lock_lock_op."""
    seconds = int(lease.seconds)
    nanoseconds = int((lease.seconds - seconds) * 1e9)
    tag = description = ''
    return encoding.versioned(b''.join((
        encoding.text(lease.name), struct.pack('<B', _EXCLUSIVE),
        encoding.text(lease.cookie), encoding.text(tag),
        encoding.text(description),
        struct.pack('<IIB', seconds, nanoseconds, flags))))


def _assertion(lease: Lease) -> bytes:
    """A cls_lock_assert_op."""
    return encoding.versioned(b''.join((
        encoding.text(lease.name), struct.pack('<B', _EXCLUSIVE),
        encoding.text(lease.cookie), encoding.text(''))))
