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
"""What can go wrong in Ceph, in our own words.

librbd's and librados' Python exceptions derive from ``rbd.Error`` and
``rados.Error``, not from the builtin ``OSError``.  :func:`translated` turns
them into the classes below, so that no other package needs the bindings to
handle an error.
"""

from collections.abc import Iterator
import contextlib
import errno
import os

import rados
import rbd

from rbd_imgdriver import printable
from rbd_imgdriver import undo


class CephError(Exception):
    """Root of all errors of the Ceph layer.

    ``code`` is the short name that appears in metadata and logs.
    """

    code = 'ceph-error'


class PoolNotFound(CephError):
    """The pool does not exist."""

    code = 'pool-not-found'


class ImageNotFound(CephError):
    """The image does not exist."""

    code = 'image-not-found'


class ObjectNotFound(CephError):
    """There is no such object of RADOS, or key of it; not of images."""

    code = 'object-not-found'


class SnapshotNotFound(CephError):
    """The image exists, its snapshot does not."""

    code = 'snapshot-not-found'


class ImageExists(CephError):
    """An image of that name exists already."""

    code = 'image-exists'


class SnapshotExists(CephError):
    """The image has a snapshot of that name already."""

    code = 'snapshot-exists'


class IdTaken(CephError):
    """librbd drew a random image id that another image has."""

    code = 'id-taken'


class ImageBusy(CephError):
    """Somebody uses the image or snapshot: a client, or a clone."""

    code = 'image-busy'


class ImageGrouped(CephError):
    """The image is in an RBD group, and can go only when it has left it."""

    code = 'image-grouped'


class ImageHasSnapshots(CephError):
    """The image cannot be removed before its snapshots."""

    code = 'image-has-snapshots'


class PermissionDenied(CephError):
    """The cephx user lacks a capability."""

    code = 'no-permission'


class NoSpace(CephError):
    """The cluster or the pool's quota is full."""

    code = 'no-space'


class TimedOut(CephError):
    """No answer in time: the operation may have happened."""

    code = 'timed-out'


class Disconnected(CephError):
    """The client was shut down or blocklisted; a new one is needed."""

    code = 'disconnected'


class Unreachable(CephError):
    """No connection to the cluster could be made."""

    code = 'unreachable'


class KeyTooNew(Unreachable):
    """Our librados cannot parse the user's key."""

    code = 'key-too-new'


class Stale(CephError):
    """Somebody else has changed it meanwhile."""

    code = 'stale'


class AnswerTooLong(CephError):
    """The answer has no room in what was provided for it."""

    code = 'answer-too-long'


class Unsupported(CephError):
    """The cluster or the image cannot do this."""

    code = 'unsupported'


class InvalidArgument(CephError):
    """Ceph refuses the arguments."""

    code = 'invalid-argument'


class SnapshotUnprotected(SnapshotNotFound):
    """The snapshot cannot be cloned, or no longer: it is not protected.

    With clones of format 1 a snapshot that is being freed is unprotected
    before it goes.  Ceph calls the arguments of a clone invalid then, and so
    do we to operators: other reasons for that look the same.
    """

    code = InvalidArgument.code


class Cancelled(CephError):
    """The operation was stopped on request."""

    code = 'cancelled'


_CLASSES: tuple[tuple[type[BaseException], type[CephError]], ...] = (
    (rbd.ImageNotFound, ImageNotFound),
    (rbd.ObjectNotFound, ImageNotFound),
    (rados.ObjectNotFound, ImageNotFound),
    (rados.NoData, ObjectNotFound),
    (rbd.ImageExists, ImageExists),
    (rbd.ObjectExists, ImageExists),
    (rados.ObjectExists, ImageExists),
    (rbd.ImageBusy, ImageBusy),
    (rados.ObjectBusy, ImageBusy),
    (rbd.ImageHasSnapshots, ImageHasSnapshots),
    (rbd.ReadOnlyImage, ImageBusy),
    (rbd.PermissionError, PermissionDenied),
    (rados.PermissionError, PermissionDenied),
    (rados.PermissionDeniedError, PermissionDenied),
    (rbd.NoSpace, NoSpace),
    (rbd.DiskQuotaExceeded, NoSpace),
    (rados.NoSpace, NoSpace),
    (rbd.Timeout, TimedOut),
    (rados.TimedOut, TimedOut),
    (rbd.ConnectionShutdown, Disconnected),
    (rados.ConnectionShutdown, Disconnected),
    (rbd.FunctionNotSupported, Unsupported),
    (rbd.OperationNotSupported, Unsupported),
    (rbd.InvalidArgument, InvalidArgument),
    (rados.InvalidArgumentError, InvalidArgument),
    (rbd.OperationCanceled, Cancelled),
    (rbd.Error, CephError),
    (rados.Error, CephError),
)


_CODES: dict[int, type[CephError]] = {
    errno.ENOENT: ImageNotFound,
    errno.EPERM: PermissionDenied,
    errno.EACCES: PermissionDenied,
    errno.ENOSPC: NoSpace,
    errno.EDQUOT: NoSpace,
    errno.EBUSY: ImageBusy,
    errno.EROFS: ImageBusy,
    errno.ETIMEDOUT: TimedOut,
    errno.ESHUTDOWN: Disconnected,
}


def codes() -> list[str]:
    """The codes of Ceph's errors, those of other modules included."""
    found, classes = set(), [CephError]
    while classes:
        classes += (one := classes.pop()).__subclasses__()
        found.add(one.code)
    return sorted(found)


def of_code(subject: str, result: int) -> CephError:
    """The error for the negative result of an asynchronous operation.

    An image that another client took the exclusive lock of answers EROFS.
    """
    return kind_of(result)(f'{subject}: {os.strerror(-result)}')


def kind_of(result: int,
            missing: type[CephError] = ImageNotFound) -> type[CephError]:
    """The class of the error for a result.

    :param missing: what it means that something does not exist
    """
    # The bindings answer 110 where a manager does not, and -13 elsewhere.
    kind = _CODES.get(abs(result), CephError)
    return missing if kind is ImageNotFound else kind


# Errors that the bindings have no class for.
_UNNAMED: dict[int, type[CephError]] = {
    errno.EBADF: IdTaken,
    errno.ESTALE: Stale,
    errno.ERANGE: AnswerTooLong,
}


def _class_of(error: BaseException) -> type[CephError]:
    unnamed = _UNNAMED.get(getattr(error, 'errno', 0))
    if unnamed is not None:
        return unnamed
    for theirs, ours in _CLASSES:
        if isinstance(error, theirs):
            return ours
    return CephError


@contextlib.contextmanager
def translated(subject: str, missing: type[CephError] = ImageNotFound,
               taken: type[CephError] = ImageExists) -> Iterator[None]:
    """Raise our errors for the bindings' ones, naming ``subject``.

    :param subject: what was worked on, for example ``clone of a/b@c``
    :param missing: what it means that something does not exist: Ceph says
        ENOENT of images, snapshots, pools, objects and keys
    :param taken: what it means that something exists already
    :raises CephError: or one of its subclasses
    """
    try:
        yield
    except (rbd.Error, rados.Error) as error:
        kind = _class_of(error)
        kind = {ImageNotFound: missing, ImageExists: taken}.get(kind, kind)
        raised = kind(printable.one_line(f'{subject}: {error}'))
        raise undo.carried_over(raised, error) from error
    except UnicodeError as error:
        # The bindings decode names as UTF-8; Ceph takes any bytes.
        raise CephError(printable.one_line(
            f'{subject}: a name in the pool is not UTF-8: {error}'
        )) from error
