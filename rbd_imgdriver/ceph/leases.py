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

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

import dataclasses
import json
import struct
from typing import Any

import rados

from rbd_imgdriver.ceph import errors

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


def acquire(ioctx: Any, lease: Lease, holder: dict[str, str]) -> bool:
    """Take a lease if nobody has it.

    :param holder: what others may know of the holder
    """
    facts = json.dumps(holder, sort_keys=True).encode()
    try:
        with errors.translated(f'lease {lease.name}'), \
                rados.WriteOpCtx() as op:
            op.execute('lock', 'lock', _lock(lease, flags=0))
            op.set_xattr(_HOLDER + lease.name, facts)
            ioctx.operate_write_op(op, _OBJECT)
    except (errors.ImageBusy, errors.ImageExists):
        return False
    return True


def renew(ioctx: Any, lease: Lease) -> None:
    """Keep a lease for another period.

    :raises LeaseLost: when it had expired
    """
    try:
        with errors.translated(f'renewal of lease {lease.name}'):
            ioctx.execute(_OBJECT, 'lock', 'lock', _lock(lease, _MUST_RENEW))
    except (errors.ImageNotFound, errors.ImageBusy) as error:
        raise LeaseLost(f'lease {lease.name}: {error}') from error


def release(ioctx: Any, lease: Lease) -> None:
    """Give a lease back; one that was lost is left to its new holder."""
    try:
        with errors.translated(f'release of lease {lease.name}'), \
                rados.WriteOpCtx() as op:
            op.execute('lock', 'assert_locked', _assertion(lease))
            op.rm_xattr('lock.' + lease.name)
            op.rm_xattr(_HOLDER + lease.name)
            ioctx.operate_write_op(op, _OBJECT)
    except (errors.ImageNotFound, errors.ImageBusy):
        return


def holder(ioctx: Any, name: str) -> Holder | None:
    """Who holds a lease now, or None."""
    query = encoding.versioned(encoding.text(_LOCK))
    try:
        reply = _call(ioctx, name, 'get_info', query)
    except errors.ImageNotFound:
        return None
    return _first_locker(encoding.Reader(reply))


def _first_locker(reader: encoding.Reader) -> Holder | None:
    """From a cls_lock_get_info_reply; the OSD leaves out who has expired."""
    reader.enter()
    if not reader.uint32():
        return None
    end = reader.enter()  # locker_id_t: the client's kind and number
    reader.uint8()
    reader.int64()
    cookie = reader.text()
    reader.jump(end)
    reader.enter()  # locker_info_t
    expires = reader.uint32() + reader.uint32() / 1e9
    reader.uint8()  # entity_addr_t: a marker, then a structure
    reader.jump(reader.enter())
    return Holder(cookie, reader.text(), expires)


def _lock(ioctx: Any, name: str, cookie: str, seconds: int,
          description: str, flags: int) -> bool:
    query = encoding.versioned(b''.join((
        encoding.text(_LOCK), struct.pack('<B', _EXCLUSIVE_EPHEMERAL),
        encoding.text(cookie), encoding.text(''), encoding.text(description),
        struct.pack('<II', seconds, 0), struct.pack('<B', flags))))
    try:
        _call(ioctx, name, 'lock', query)
    except errors.ImageBusy:
        return False
    except errors.ImageNotFound:
        return False  # nothing to renew
    return True


def _call(ioctx: Any, name: str, method: str, query: bytes) -> bytes:
    with errors.translated(f'{method} of lease {name}'):
        _, reply = ioctx.execute(PREFIX + name, 'lock', method, query, _REPLY)
    return bytes(reply)
