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
"""What happens, reported to listeners: metrics, notifications.

A sender does not know its listeners, and no listener can make what happened
fail.
"""

from collections.abc import Callable
import dataclasses
import functools
from typing import ParamSpec
from typing import TypeVar

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

_P = ParamSpec('_P')
_R = TypeVar('_R')


@dataclasses.dataclass(frozen=True)
class VolumeMade:
    """A volume was made from an image.

    :param declined: (strategy, code) of each strategy that declined before
    :param bytes_moved: bytes read from Glance or copied within the cluster
    """

    strategy: str
    declined: tuple[tuple[str, str], ...]
    bytes_moved: int
    seconds: float


@dataclasses.dataclass(frozen=True)
class VolumeFailed:
    """No volume could be made from an image.

    :param code: that of the :class:`rbd_imgdriver.errors.ImageError`
    """

    code: str


@dataclasses.dataclass(frozen=True)
class CacheEvent:
    """What happened to the cache: ``hit``, ``miss`` or ``evict``."""

    action: str


@dataclasses.dataclass(frozen=True)
class Imports:
    """An import has begun (+1) or ended (-1)."""

    change: int


@dataclasses.dataclass(frozen=True)
class Flattened:
    """An image was flattened.

    :param pool: of the image
    :param image_id: Ceph's internal id
    """

    pool: str
    image_id: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class Swept:
    """The cache was swept, or could not be.

    :param removed: images that were removed or freed
    :param failed: whether something was left undone
    """

    removed: int
    failed: bool


@dataclasses.dataclass(frozen=True)
class State:
    """How a backend is; reported whenever Cinder asks for its capacity.

    :param cache_entries: golden images
    :param cache_bytes: their size, as the limits of the cache count it
    :param cache_oldest_use: when the entry that was not used for the longest
        time was used, in seconds since the epoch; 0 without an entry
    :param flattens_waiting: images that wait to be flattened by this host
    """

    cache_entries: int
    cache_bytes: int
    cache_oldest_use: float
    flattens_waiting: int


Signal = (VolumeMade | VolumeFailed | CacheEvent | Imports | Flattened | Swept
          | State)
Listener = Callable[[Signal], None]

_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Send a listener all that happens from now on."""
    _listeners.append(listener)


def forget(listener: Listener) -> None:
    """Send a listener nothing more."""
    _listeners.remove(listener)


def send(signal: Signal) -> None:
    """Send to all listeners; one that fails is only logged."""
    for listener in tuple(_listeners):
        try:
            listener(signal)
        except Exception:
            LOG.exception('A listener failed to handle %s', signal)


def importing(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Report the beginning and the end of an import."""
    @functools.wraps(function)
    def reported(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        send(Imports(+1))
        try:
            return function(*args, **kwargs)
        finally:
            send(Imports(-1))

    return reported
