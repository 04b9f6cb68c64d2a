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
"""Run blocking calls off the event loop; the only module knowing eventlet.

cinder-volume runs on eventlet or on native threads
(``OS_CINDER_DISABLE_EVENTLET_PATCHING``).  Under eventlet one librbd call
made directly stops the whole service while it lasts, so it has to be handed
to a native thread.  What runs there must not log, take oslo locks or call
Cinder: those belong to the event loop's thread.
"""

from collections.abc import Callable
from collections.abc import Sequence
import queue
import threading
from typing import Any
from typing import Generic
from typing import ParamSpec
from typing import TypeVar

try:
    from eventlet import patcher
    from eventlet import tpool
except ImportError:  # Cinder is leaving eventlet
    patcher = None
    tpool = None

_P = ParamSpec('_P')
_R = TypeVar('_R')
_T = TypeVar('_T')

# The real module, whether or not eventlet has replaced its contents: a green
# lock must never be shared between native threads.
native_threading: Any = (
    patcher.original('threading') if patcher else threading)
_native_queue: Any = patcher.original('queue') if patcher else queue

_here = native_threading.local()

_TICK = 0.5  # seconds


def green() -> bool:
    """Whether this process is patched by eventlet."""
    return patcher is not None and bool(patcher.is_monkey_patched('thread'))


def run(function: Callable[_P, _R], *args: _P.args,
        **kwargs: _P.kwargs) -> _R:
    """Call ``function`` where it may block, and wait for its result.

    A call made from within such a call stays in its thread, so composed
    operations pay for one hand-over only.
    """
    if not green() or getattr(_here, 'native', False):
        return function(*args, **kwargs)
    result: _R = tpool.execute(_in_native_thread, function, args, kwargs)
    return result


def at_once(function: Callable[[_T], _R], items: Sequence[_T],
            threads: int) -> list[_R]:
    """Call a function for many items in native threads; their results.

    To be called where it may block.

    :param threads: how many at most
    :raises BaseException: what the function raised for one of the items
    """
    results: dict[int, _R] = {}
    failed: list[BaseException] = []

    def work(first: int) -> None:
        _here.native = True
        try:
            for number in range(first, len(items), threads):
                if failed:
                    return
                results[number] = function(items[number])
        except BaseException as error:
            failed.append(error)

    workers = [native_threading.Thread(target=work, args=(first,),
                                       daemon=True)
               for first in range(min(threads, len(items)))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failed:
        raise failed[0]
    return [results[number] for number in range(len(items))]


def wrapped(thing: _T) -> _T:
    """An object whose methods may block, safe to call from anywhere.

    For what inherited code calls itself; as ``tpool_wrap`` in cinder/utils.py
    of Cinder 29.
    """
    proxy: _T = tpool.Proxy(thing) if green() else thing
    return proxy


def _in_native_thread(function: Callable[..., _R], args: tuple[Any, ...],
                      kwargs: dict[str, Any]) -> _R:
    _here.native = True
    try:
        return function(*args, **kwargs)
    finally:
        _here.native = False


class Worker(Generic[_T]):
    """A native thread that works off a bounded queue of items.

    The caller goes on while the thread works: under eventlet its green
    thread keeps reading from the network.

    :param function: called with each item, in order, in the thread
    :param depth: items that may wait: :meth:`put` waits for room; 0: any
        number

    ``abandoned`` says whether the result is no longer wanted.
    """

    def __init__(self, function: Callable[[_T], object],
                 depth: int) -> None:
        self._function = function
        self._queue = _native_queue.Queue(depth)
        self._error: BaseException | None = None
        self.abandoned = False
        self._thread = native_threading.Thread(target=self._work,
                                               daemon=True)
        self._thread.start()

    def put(self, item: _T) -> None:
        """Queue an item; waits while the queue is full.

        :raises BaseException: what the function raised for an earlier item
        """
        self._check()
        self._put(item)

    def finish(self, waiting: Callable[[], None] = lambda: None) -> None:
        """Wait until every item is worked off.

        :param waiting: called twice a second meanwhile
        :raises BaseException: what the function raised
        """
        self._end(waiting)
        self._check()

    def abandon(self) -> None:
        """Forget what is queued and end the thread; never raises."""
        self.abandoned = True
        self._end(lambda: None)

    def _put(self, item: _T | None) -> None:
        try:
            self._queue.put_nowait(item)
        except _native_queue.Full:
            run(self._queue.put, item)

    def _end(self, waiting: Callable[[], None]) -> None:
        if self._thread.is_alive():
            self._put(None)
            run(self._thread.join, _TICK)
        while self._thread.is_alive():
            waiting()
            run(self._thread.join, _TICK)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        _here.native = True
        while (item := self._queue.get()) is not None:
            if self._error is not None or self.abandoned:
                continue  # let callers of put() go on
            try:
                self._function(item)
            except BaseException as error:
                self._error = error
