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
"""All strategies, built in one place: for the driver and for a dry run."""

from collections.abc import Set
import dataclasses

from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.strategies import base
from rbd_imgdriver.strategies import cached_clone
from rbd_imgdriver.strategies import cinder_clone
from rbd_imgdriver.strategies import import_image
from rbd_imgdriver.strategies import maker
from rbd_imgdriver.strategies import rbd_clone


@dataclasses.dataclass(frozen=True)
class Rules:
    """What the operator decided.

    :param order: log2 of the object size of new images in bytes
    :param max_depth: ``rbd_max_clone_depth``
    :param volume_pools: names of the pools that hold volumes
    :param cinder_allowed: whether ``cinder://`` locations may be cloned
    """

    order: int
    max_depth: int
    volume_pools: Set[str]
    cinder_allowed: bool


@dataclasses.dataclass(frozen=True)
class Tools:
    """What strategies work with.

    :param pool: where volumes go, for real or in a dry run
    :param store: the cache, or None when it is switched off
    :param filler: fills the cache, or None when images are not to go there
    """

    pool: parts.Pool
    cloner: cinder_clone.Cloner
    store: cache_store.Store | None
    importer: import_image.Importer
    filler: import_image.Filler | None


def build(rules: Rules, tools: Tools) -> dict[str, base.Strategy]:
    """The strategies by name, wanted by the operator or not."""
    volumes = maker.Maker(tools.pool, rules.order, rules.max_depth)
    cached = cached_clone.CachedClone(volumes, tools.store)
    strategies: list[base.Strategy] = [
        rbd_clone.RbdClone(volumes, rules.volume_pools),
        cinder_clone.CinderClone(volumes, rules.cinder_allowed, tools.cloner),
        cached,
        import_image.ImportImage(tools.pool, tools.importer, rules.order,
                                 tools.filler, cached),
    ]
    return {one.name: one for one in strategies}
