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
"""One backend's parts, put together from its settings.

The driver and the command line both build what they need here, so that the
same settings mean the same thing to both.
"""

from collections.abc import Callable
import dataclasses

from rbd_imgdriver.cache import ciphertext
from rbd_imgdriver.cache import encrypted
from rbd_imgdriver.cache import eviction
from rbd_imgdriver.cache import fill
from rbd_imgdriver.cache import prefetch
from rbd_imgdriver.cache import prefetch_plan
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.cache import sweep
from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.ceph import pool as ceph_pool
from rbd_imgdriver.chain import chains
from rbd_imgdriver.importer import export
from rbd_imgdriver.importer import importer
from rbd_imgdriver.importer import options
from rbd_imgdriver.importer.source import cluster
from rbd_imgdriver import model
from rbd_imgdriver.strategies import base
from rbd_imgdriver.strategies import builder
from rbd_imgdriver.strategies import encrypted_clone
from rbd_imgdriver.strategies import encrypted_import
from rbd_imgdriver.strategies import import_image
from rbd_imgdriver.strategies import rbd_clone

IMPORT = import_image.ImportImage.name


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the operator decided for a backend.

    :param pool: name of the backend's pool
    :param volume_pools: names of the pools that hold volumes: this one and
        those of the other backends
    :param order: log2 of the object size of new images in bytes
    :param max_depth: ``rbd_max_clone_depth``
    :param cascade: names of the strategies, in order
    :param cinder_allowed: whether ``cinder://`` locations may be cloned
    :param chains: about clones
    :param cache: limits of the cache, or None when it is switched off
    :param marked: which images are fetched before their first use, or None
    :param balanced_reads: whether all copies of golden images are read
    :param encrypted_clones: which encrypted volumes share their data
    """

    cluster: connection.ClusterSpec
    pool: str
    volume_pools: frozenset[str]
    order: int
    max_depth: int
    cascade: tuple[str, ...]
    cinder_allowed: bool
    chains: chains.Options
    cache: eviction.Limits | None
    imports: options.Options
    balanced_reads: bool = False
    encrypted_clones: ciphertext.Sharing = ciphertext.Sharing.OFF
    marked: prefetch_plan.Rules | None = None

    @property
    def rules(self) -> builder.Rules:
        """The same, as far as strategies ask for it."""
        return builder.Rules(self.order, self.max_depth, self.volume_pools,
                             self.cinder_allowed)

    @property
    def encryption_rules(self) -> encrypted_clone.Rules:
        """The same about encrypted volumes."""
        return encrypted_clone.Rules(self.encrypted_clones, self.order,
                                     self.max_depth, self.cache is not None)


class Backend:
    """The parts of one backend on one cluster."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pool: parts.Pool = ceph_pool.Pool(
            connection.cluster(settings.cluster), settings.pool)
        self.chains = chains.Chains(self.pool, settings.chains)
        self.store = cache_store.Store(
            self.pool, balanced_reads=settings.balanced_reads)
        self.importer = importer.Importer(settings.imports)
        self.exporter = export.Exporter(settings.imports)
        self.filler = fill.Filler(
            self.store, self.importer, settings.cache or eviction.Limits(),
            settings.order)
        self._strategies = builder.build(settings.rules, builder.Tools(
            self.pool, self.chains.cloner,
            self.store if settings.cache else None, self.importer,
            self.filler if settings.cache else None))
        self._encrypted = encrypted.EncryptedClones(self.store, self.filler,
                                                    self.importer)

    @property
    def prefetcher(self) -> prefetch.Prefetcher | None:
        """What fetches images ahead; None when none are marked."""
        rules = self.settings.marked
        if rules is None or self.settings.cache is None:
            return None
        return prefetch.Prefetcher(self.store, self.filler, rules,
                                   self._is_clonable)

    def _is_clonable(self, image: model.Image) -> bool:
        """Whether volumes of an image are clones of Glance's own."""
        return (rbd_clone.RbdClone.name in self.settings.cascade
                and image.raw and not image.signature
                and any(cluster.snapshots(image, self.pool,
                                          self.settings.volume_pools)))

    def cascade(self, image: model.Image) -> list[base.Strategy]:
        """The strategies that the operator wants for an image, in order.

        An image with a ``cinder://`` location is never left to Cinder: its
        own create flow would clone that volume on less evidence than
        :mod:`rbd_imgdriver.trust` asks for, and without a look at its
        signature (``_clone_image_volume`` in cinder/volume/flows/manager/
        create_volume.py).
        """
        names = list(self.settings.cascade)
        if self.settings.cinder_allowed and names[-1:] != [IMPORT] and any(
                url.startswith('cinder://') for url in image.locations):
            names.append(IMPORT)
        return [self._strategies[name] for name in names]

    def strategy(self, name: str) -> base.Strategy:
        """One strategy, wanted by the operator or not."""
        return self._strategies[name]

    def encrypted_cascade(self, terms: encrypted_clone.Terms,
                          ) -> list[base.Strategy]:
        """The same for one encrypted volume.

        Other strategies would put what is not encrypted into it.
        """
        settings = self.settings
        return [
            encrypted_clone.EncryptedClone(
                self._encrypted, settings.encryption_rules, terms),
            encrypted_import.EncryptedImport(
                self.pool, self.importer,
                self.store if settings.cache else None, settings.order,
                terms.encryption, terms.replaces)]

    def sweep(self, in_glance: Callable[[str], bool],
              dry_run: bool = False) -> sweep.Report:
        """Remove what the cache of this backend no longer needs."""
        return sweep.Sweep(self.store, in_glance, dry_run).run()
