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

"""What our driver and its commands do beside the creation of volumes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rbd_imgdriver import backend
from rbd_imgdriver.cache import sweep
from rbd_imgdriver.chain import leaks
from rbd_imgdriver.chain import names
from rbd_imgdriver.cmd import cache_view

Act = Callable[[backend.Backend], Any]

ACTS: dict[str, Act] = {
    'look': lambda made: made.chains.flattener.resume(made.pool),
    'look-everywhere': lambda made: made.chains.flattener.look_everywhere(
        made.pool),
    'purge': lambda made: made.chains.purge(),
    'sweep': lambda made: sweep.Sweep(made.store, lambda _: True).run(),
    'cache-list': lambda made: list(cache_view.listed(made.store)),
    'leaks': lambda made: leaks.Leaks(
        made.pool, names.Names(), lambda _: None).find(),
}
