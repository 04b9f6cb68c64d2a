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
import threading
from typing import Any
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

# The real module, whether or not eventlet has replaced its contents: a green
# lock must never be shared between native threads.
native_threading: Any = (
    patcher.original('threading') if patcher else threading)

_here = native_threading.local()


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
    return tpool.execute(_in_native_thread, function, args, kwargs)


def _in_native_thread(function: Callable[..., _R], args: tuple[Any, ...],
                      kwargs: dict[str, Any]) -> _R:
    _here.native = True
    try:
        return function(*args, **kwargs)
    finally:
        _here.native = False
