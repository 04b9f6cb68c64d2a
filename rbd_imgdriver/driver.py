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
"""The Cinder volume driver: Cinder's RBD driver, made fast for images.

``volume_driver = rbd_imgdriver.driver.RBDImageDriver`` in a backend's
section of cinder.conf.  This module translates between Cinder and the rest
of the package and decides nothing itself.
"""

import json
from typing import Any

from cinder import exception
from cinder import interface
from cinder import utils
from cinder.volume import configuration
from cinder.volume import volume_utils
from oslo_config import cfg
from oslo_log import log as logging

from rbd_imgdriver import backend
from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import connection
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.ceph import pool as ceph_pool
from rbd_imgdriver import driver_chains
from rbd_imgdriver import driver_images
from rbd_imgdriver import driver_manageable
from rbd_imgdriver import driver_prefetch
from rbd_imgdriver import driver_types
from rbd_imgdriver import metrics
from rbd_imgdriver import model
from rbd_imgdriver.openstack import errors as cinder_errors
from rbd_imgdriver.openstack import glance_data
from rbd_imgdriver.openstack import images as cinder_images
from rbd_imgdriver.openstack import notifications
from rbd_imgdriver.openstack import service_glance
from rbd_imgdriver.openstack import settings
from rbd_imgdriver import opts
from rbd_imgdriver import provision
from rbd_imgdriver import signals
from rbd_imgdriver.strategies import base

LOG = logging.getLogger(__name__)

# Seconds between sweeps of the cache; the first comes at the start.
_SWEEP_INTERVAL = 900

cfg.CONF.register_opts(opts.OPTS, group=configuration.SHARED_CONF_GROUP)


@interface.volumedriver
class RBDImageDriver(driver_prefetch.PrefetchMixin, driver_chains.ChainsMixin,
                     driver_images.ImagesMixin,
                     driver_manageable.ManageableMixin,
                     driver_types.TypesMixin):
    """RBD volumes, with images turned into volumes at the cost of a clone.

    Everything that Cinder's driver does, with the same options and the same
    names in the cluster; an operator may switch to it and back.

    .. code-block:: none

        0.1.0 - First release
    """

    VERSION = '0.1.0'
    CI_WIKI_NAME = 'rbd_imgdriver'

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(opts.OPTS)
        self._parts: backend.Backend | None = None
        self._exporter: metrics.Exporter | None = None
        signals.listen(self._hear)

    @classmethod
    def get_driver_options(cls) -> list[cfg.Opt]:
        """Cinder's options for RBD, and ours."""
        return [*super().get_driver_options(), *opts.OPTS]

    # -- One connection, also for what is inherited

    def _cluster_spec(self, remote: dict[str, str] | None = None,
                      timeout: int | None = None) -> connection.ClusterSpec:
        name, conf, user, _ = self._get_config_tuple(remote)
        if timeout is None:
            timeout = self.configuration.rados_connect_timeout
        return connection.ClusterSpec(name, conf or '', user, timeout)

    @property
    def _pool(self) -> parts.Pool:
        """The backend's pool on the cluster that is active now."""
        return self._backend.pool

    @property
    def _backend(self) -> backend.Backend:
        """Our parts, for the cluster that is active now."""
        cluster, former = self._cluster_spec(), self._parts
        if former is None or former.settings.cluster != cluster:
            self._parts = backend.Backend(
                settings.settings_of(self.configuration, cluster))
            if former is not None:
                former.chains.flattener.end()
        assert self._parts is not None
        return self._parts

    def _connect_to_rados(self, pool: str | None = None,
                          remote: dict[str, str] | None = None,
                          timeout: int | None = None) -> tuple[Any, Any]:
        """The shared client, and an I/O context that is the caller's own."""
        @utils.retry(exception.VolumeBackendAPIException,
                     self.configuration.rados_connection_interval,
                     self.configuration.rados_connection_retries)
        def connect() -> tuple[Any, Any]:
            try:
                client, ioctx = ceph_pool.lend(
                    connection.cluster(self._cluster_spec(remote, timeout)),
                    pool or self.configuration.rbd_pool)
            except ceph_errors.CephError as error:
                LOG.error('No connection to Ceph: %s', error)
                raise exception.VolumeBackendAPIException(
                    data=f'Error connecting to ceph cluster: {error}'
                ) from error
            return blocking.wrapped(client), ioctx

        client, ioctx = connect()
        return client, ioctx

    @staticmethod
    def _disconnect_from_rados(client: Any, ioctx: Any) -> None:
        """Close the I/O context; the client is shared and stays."""
        ceph_pool.give_back(ioctx)

    @cinder_errors.translated()
    def _get_fsid(self) -> str:
        return self._pool.fsid()

    def _get_mon_addrs(self) -> tuple[list[str], list[str]]:
        """Monitors' hosts and ports, without starting a ``ceph`` process."""
        monmap = json.loads(self._pool.mon_command('mon dump'))
        hosts, ports = [], []
        for mon in monmap['mons']:
            address = mon['addr'].rpartition('/')[0]
            name, _, port = address.rpartition(':')
            hosts.append(name.strip('[]'))
            ports.append(port)
        return hosts, ports

    def _get_image_status(self, image_name: str) -> dict[str, Any]:
        """Who has an image open, without starting an ``rbd`` process."""
        watched = self._pool.usage.is_watched(
            self._pool.directory.id(image_name))
        return {'watchers': ['a client'] if watched else []}

    # -- Those that want to know what happens

    def do_setup(self, context: Any) -> None:
        """Prepare the backend; metrics that fail do not stop volumes."""
        super().do_setup(context)
        self._check_marks()
        try:
            volume_utils.image_conversion_dir()  # makes it
        except OSError as error:
            LOG.error('No image can be converted: %s', error)
        port = self.configuration.rbd_imgdriver_metrics_port
        if not port or self._exporter is not None:
            return
        try:
            self._exporter = metrics.Exporter(
                self.configuration.rbd_imgdriver_metrics_address, port,
                self.configuration.config_group, opts.CASCADE, base.codes())
        except metrics.Unavailable as error:
            LOG.error('Metrics are not available: %s', error)

    def _hear(self, signal: signals.Signal) -> None:
        if (isinstance(signal, signals.Flattened)
                and signal.pool == self.configuration.rbd_pool):
            notifications.notify_flattened(self.host, signal)

    # -- What the cache keeps in the pool

    def _start_periodic_tasks(self) -> None:
        super()._start_periodic_tasks()
        # Also without a cache: a killed import leaves its image.
        self._every(_SWEEP_INTERVAL, self._sweep)
        self._start_prefetching()

    def _sweep(self) -> None:
        """Remove what imports and the cache left; never stops the loop."""
        try:
            report = self._backend.sweep(service_glance.in_glance)
            signals.send(signals.Swept(
                len(report.removed) + len(report.freed) + len(report.dropped),
                failed=bool(report.kept)))
        except ceph_errors.CephError as error:
            signals.send(signals.Swept(0, failed=True))
            LOG.warning('The cache of %(pool)s could not be swept: %(error)s',
                        {'pool': self._pool, 'error': error})

    def _get_pool_stats(self) -> tuple[Any, Any]:
        """Free and total GiB of the pool that new volumes' data goes to.

        Cinder's driver asks about the pool that holds the headers.
        """
        found = self._pool.capacity()
        if found is None:
            LOG.warning('The monitors do not report the capacity of %s',
                        self._pool)
            return 'unknown', 'unknown'
        total = found.total
        if self.configuration.report_dynamic_total_capacity:
            total = found.free + found.used
        return (round(found.free / model.GIB, 2),
                round(total / model.GIB, 2))

    def _update_volume_stats(self) -> None:
        super()._update_volume_stats()
        self._stats[driver_images.CLONES_ENCRYPTED] = True
        try:
            entries = self._backend.store.entries()
        except ceph_errors.CephError as error:
            LOG.warning('The cache of %(pool)s could not be counted: '
                        '%(error)s', {'pool': self._pool, 'error': error})
            return
        self._stats['image_cache_count'] = len(entries)
        self._stats['image_cache_bytes'] = sum(one.size for one in entries)
        encrypted = [one.size for one in entries if one.encrypted]
        self._stats['image_cache_encrypted_count'] = len(encrypted)
        self._stats['image_cache_encrypted_bytes'] = sum(encrypted)
        signals.send(signals.State(
            len(entries), self._stats['image_cache_bytes'],
            min((one.last_used for one in entries), default=0),
            self._chains.flattener.waiting))

    # -- Volumes from images

    def clone_image(self, context: Any, volume: Any, image_location: Any,
                    image_meta: dict[str, Any],
                    image_service: Any) -> tuple[dict[str, Any], bool]:
        """Make a volume from an image by the first strategy that can.

        Cinder's own manager does not call this for encrypted volumes; see
        :mod:`rbd_imgdriver.manager`.

        :returns: (model update, True); ({}, False) hands over to Cinder's
            own ways, when every strategy declined
        :raises cinder.exception.CinderException: when no way could work
        """
        image = cinder_images.image_of(image_meta, image_location)
        if not volume.encryption_key_id:
            strategies = self._backend.cascade(image)
        elif image_meta.get('cinder_encryption_key_id'):
            return {}, False  # its data is encrypted already
        else:
            strategies = self._encrypted_cascade(context, volume,
                                                 replaces=False)
        return self._provision(strategies, context, volume, image,
                               image_service)

    def _clone_image_volume(self, context: Any, volume: Any,
                            image_location: Any, image_meta: dict[str, Any],
                            ) -> tuple[dict[str, Any], bool]:
        """Clone the Cinder volume that backs an image, or answer False.

        The counterpart of the method of that name in Cinder's create flow,
        which clones within one backend only.
        """
        if volume.encryption_key_id:
            return {}, False
        return self._provision(
            [self._backend.strategy(opts.CINDER_CLONE)], context, volume,
            cinder_images.image_of(image_meta, image_location),
            image_service=None)

    def _provision(self, strategies: list[base.Strategy], context: Any,
                   volume: Any, image: model.Image, image_service: Any,
                   ) -> tuple[dict[str, Any], bool]:
        request = self._request(
            context, volume, image,
            glance_data.GlanceData(context, image_service, image.id))
        with cinder_errors.translated(context, volume.id):
            try:
                outcome = provision.provision(strategies, request)
            except provision.NoStrategy as error:
                LOG.info('Volume %(volume)s is left to Cinder: %(error)s',
                         {'volume': volume.name, 'error': error})
                return {}, False
        notifications.notify_made(context, volume, image.id, outcome)
        return {'provider_location': None, **self._set_up(volume)}, True
