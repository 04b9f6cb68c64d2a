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
"""Running librbd and librados calls in native threads.

A part of a pool is a class whose methods do the work of one topic.  Each
method goes to a native thread as a whole: one hand-over for all the calls
that it makes.
"""

from collections.abc import Callable
import functools
from typing import Any
from typing import Concatenate
from typing import ParamSpec
from typing import TypeVar

from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import errors

_P = ParamSpec('_P')
_R = TypeVar('_R')
_S = TypeVar('_S', bound='Part')


class Part:
    """What works on one pool of a cluster.

    :param cluster: the connection
    :param name: the pool's name
    """

    def __init__(self, cluster: connection.Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def __str__(self) -> str:
        return self.name

    @property
    def _ioctx(self) -> Any:
        return self.cluster.ioctx(self.name)

    def _private_ioctx(self) -> Any:
        """One that no other thread uses; to be closed."""
        return self.cluster.private_ioctx(self.name)


def in_native_thread(
        method: Callable[Concatenate[_S, _P], _R],
) -> Callable[Concatenate[_S, _P], _R]:
    """Run a method in a native thread, on a connection that works.

    A client that is blocklisted or that gets no answer is replaced.  After
    blocklisting the method is run again: nothing that such a client sends is
    carried out, and every method undoes or finds what it had done before.
    After a timeout it is not, for the operation may still happen; whoever
    called has to look.

    A method is also run again when the pool was deleted and made again: what
    it found, or did not find, was in a pool that no longer exists.

    Whatever error of librbd or librados a method has not translated itself
    is translated here: none of them leaves this layer.
    """
    @functools.wraps(method)
    def call(part: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return blocking.run(attempt, part, *args, **kwargs)

    def attempt(part: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with part.cluster.checked_out() as checkout:
            try:
                result = once(part, *args, **kwargs)
            except errors.TimedOut:
                checkout.client.retire()
                raise
            except errors.Disconnected:
                checkout.client.retire()
            except (errors.ImageNotFound, errors.SnapshotNotFound):
                if not checkout.pools_were_replaced():
                    raise
            else:
                if not checkout.pools_were_replaced():
                    return result
        with part.cluster.checked_out():
            return once(part, *args, **kwargs)

    def once(part: _S, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        with errors.translated(f'{method.__name__} in pool {part}'):
            return method(part, *args, **kwargs)

    return call
