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

"""A driver as cinder-volume has it: both drivers, treated alike.

Cinder's own classes throughout: its event loop, configuration, database (in
SQLite), volume objects, image service, key manager and the steps of its
create flow.  Behind the image service is :mod:`bench.glance`.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import pathlib
from typing import Any
import uuid

from cinder.common import config  # noqa: F401 - registers global options
from cinder import context
from cinder import coordination
from cinder.db import api as database
from cinder.db import models
from cinder.image import cache as image_cache
from cinder.image import glance
from cinder.keymgr import conf_key_mgr  # noqa: F401 - registers its option
from cinder import objects
from cinder import privsep
from cinder import rpc
from cinder.volume import configuration
from cinder.volume import driver as volume_driver
from cinder.volume.drivers import rbd as cinder_rbd
from cinder.volume.flows.manager import create_volume
from eventlet import greenpool
from oslo_config import cfg
from oslo_log import log as logging
import oslo_messaging

from bench import data
from bench.worker import measure
from bench.worker import upkeep
from rbd_imgdriver.ceph import connection
from rbd_imgdriver import driver as our_driver

CONF = cfg.CONF
PROJECT = data.OWNER
CLASSES = {'ours': our_driver.RBDImageDriver, 'intree': cinder_rbd.RBDDriver}
# The one key that Cinder's ConfKeyManager knows.
KEY_ID = '00000000-0000-0000-0000-000000000000'


class Host:
    """What the benchmark asks of a volume service.

    :param kind: ``ours`` or ``intree``
    :param settings: ``conf`` and ``user`` of the cluster, Glance's URL, and
        ``state``, a directory of our own
    """

    def __init__(self, kind: str, settings: dict[str, Any]) -> None:
        _prepare(pathlib.Path(settings['state']), settings['glance'])
        self._kind = kind
        self._settings = settings
        self._images: dict[str, dict[str, Any]] = {}
        self._driver: Any = None
        self._cache = image_cache.ImageVolumeCache(database, None)
        self._host = ''
        self._context = context.RequestContext(
            user_id='u' * 32, project_id=PROJECT, is_admin=True)
        self._types = {'plain': _volume_type(self._context, 'plain'),
                       'luks': _volume_type(self._context, 'luks')}
        database.volume_type_encryption_create(
            self._context, self._types['luks'], {
                'provider': 'luks', 'cipher': 'aes-xts-plain64',
                'key_size': 256, 'control_location': 'front-end'})

    # -- preparations, not measured

    def open(self, pool: str, options: dict[str, Any]) -> None:
        """Start a backend on a pool.

        :param options: of the backend's section
        """
        group = f'{pool}-{uuid.uuid4().hex[:8]}'
        settings = configuration.Configuration(
            [*volume_driver.volume_opts, *volume_driver.image_opts,
             *cinder_rbd.RBD_OPTS, *our_driver.opts.OPTS],
            config_group=group)
        options = {
            'rbd_pool': pool, 'rbd_user': self._settings['user'],
            'rbd_ceph_conf': self._settings['conf'],
            'volume_backend_name': group, **options}
        for name, value in options.items():
            CONF.set_override(name, value, group=group)
        self._host = f'bench@{group}#{group}'
        self._driver = CLASSES[self._kind](
            configuration=settings, host=f'bench@{group}')
        self._driver.do_setup(None)
        self._driver.check_for_setup_error()
        self._driver.set_initialized()
        self._driver.init_capabilities()

    def add_image(self, image_id: str, locations: list[str],
                  volume: str | None = None, cached: bool = False) -> None:
        """Remember what this service knows of an image in Glance.

        :param locations: what Glance shows of them
        :param volume: id of the volume that backs it
        :param cached: whether Cinder uses its image-volume cache for it
        """
        urls = [{'url': url, 'metadata': {}} for url in locations]
        self._images[image_id] = {
            'meta': self._service().show(self._context, image_id),
            'location': (locations[0] if locations else None, urls),
            'volume': volume, 'cached': cached}

    def add_volume(self, size: int, volume_id: str | None = None) -> str:
        """Have Cinder know a volume that is in the pool already; its id."""
        return str(self._volume(size, volume_id=volume_id).id)

    def mark_as_image(self, volume_id: str, image_id: str) -> None:
        """Mark a volume as Glance's store and Cinder do for an image."""
        database.volume_metadata_update(
            self._context, volume_id,
            {'glance_image_id': image_id, 'image_owner': PROJECT}, False)
        database.volume_admin_metadata_update(
            self._context, volume_id, {'readonly': 'True'}, False)

    def name_of(self, volume_id: str) -> str:
        """The name of a volume's RBD image."""
        return str(self._load(volume_id).name)

    # -- measured

    def from_image(self, image_id: str, size: int, count: int = 1,
                   encrypted: bool = False, ahead: bool = False,
                   watch: bool = False, cold: bool = False) -> dict[str, Any]:
        """Make volumes of an image, one after the other.

        :param size: GiB
        :param ahead: whether a driver is asked to clone for an encrypted
            volume before a download, as by our volume manager
        :param watch: whether to watch memory and temporary files
        :param cold: whether to close our connections before
        """
        volumes = [self._volume(size, encrypted) for _ in range(count)]
        if cold and not connection.close_all():
            raise RuntimeError('a connection is in use')
        return self._measure(
            lambda: [self._from_image(volume, image_id, ahead)
                     for volume in volumes], volumes, watch)

    def from_image_at_once(self, image_id: str, size: int,
                           count: int) -> dict[str, Any]:
        """Make volumes of an image, all at the same time."""
        volumes = [self._volume(size) for _ in range(count)]
        pool = greenpool.GreenPool(count)
        return self._measure(
            lambda: [pool.spawn(self._from_image, volume, image_id)
                     for volume in volumes] and pool.waitall(), volumes)

    def clone(self, source: str, count: int = 1) -> dict[str, Any]:
        """Clone a volume, one time after the other."""
        origin = self._load(source)
        volumes = [self._volume(origin.size) for _ in range(count)]
        return self._measure(
            lambda: [self._driver.create_cloned_volume(volume, origin)
                     for volume in volumes], volumes)

    def create(self, size: int) -> dict[str, Any]:
        """Create a blank volume."""
        volume = self._volume(size)
        return self._measure(
            lambda: self._driver.create_volume(volume), [volume])

    def extend(self, volume_id: str, size: int) -> dict[str, Any]:
        """Extend a volume to so many GiB."""
        volume = self._load(volume_id)
        return self._measure(
            lambda: self._driver.extend_volume(volume, size), [volume])

    def snapshot(self, volume_id: str) -> dict[str, Any]:
        """Make a snapshot of a volume; deleting it is not measured."""
        volume = self._load(volume_id)
        snapshot = objects.Snapshot(
            self._context, volume_id=volume.id, volume_size=volume.size,
            project_id=PROJECT, user_id='u' * 32, status='creating',
            volume_type_id=volume.volume_type_id, use_quota=True)
        snapshot.create()
        snapshot = objects.Snapshot.get_by_id(self._context, snapshot.id)
        answer = self._measure(
            lambda: self._driver.create_snapshot(snapshot), [volume])
        self._driver.delete_snapshot(snapshot)
        return answer

    def delete(self, volume_id: str) -> dict[str, Any]:
        """Delete a volume."""
        volume = self._load(volume_id)
        return self._measure(
            lambda: self._driver.delete_volume(volume), [volume])

    def stats(self) -> dict[str, Any]:
        """Report the capacity."""
        return self._measure(
            lambda: self._driver.get_volume_stats(refresh=True), [])

    def manageable(self, what: str, limit: int,
                   offset: int) -> dict[str, Any]:
        """List a page of what Cinder could take over.

        :param what: ``volumes`` or ``snapshots``
        """
        page = getattr(self._driver, f'get_manageable_{what}')
        return self._measure(
            lambda: page([], None, limit, offset, ['reference'], ['desc']),
            [])

    def upkeep(self, what: str) -> dict[str, Any]:
        """What only our driver does: see :mod:`bench.worker.upkeep`."""
        act = upkeep.ACTS[what]
        return self._measure(lambda: act(self._driver._backend), [])

    # -- parts

    def _measure(self, act: Callable[[], Any], volumes: list[Any],
                 watch: bool = False) -> dict[str, Any]:
        """Do something; its cost and the volumes it made."""
        watched = str(CONF.image_conversion_dir) if watch else None
        with measure.measured(watched) as cost:
            act()
        return {**dataclasses.asdict(cost),
                'volumes': [str(volume.id) for volume in volumes],
                'names': [str(volume.name) for volume in volumes]}

    def _from_image(self, volume: Any, image_id: str,
                    ahead: bool = False) -> None:
        """The steps of Cinder's ``_create_from_image``, in its order.

        What Cinder does in its database around them is left out: it is the
        same for every driver.
        """
        image, service = self._images[image_id], self._service()
        cloned = False
        if volume.encryption_key_id is None or ahead:
            _, cloned = self._driver.clone_image(
                self._context, volume, image['location'], image['meta'],
                service)
        if cloned:
            return  # the rest is not the driver's part
        if image['volume']:
            # Its image-volume cache, or a cinder:// location.
            self._driver.create_cloned_volume(
                volume, self._load(image['volume']))
            return
        flow = create_volume.CreateVolumeFromSpecTask(
            manager=self, db=database, driver=self._driver,
            image_volume_cache=self._cache if image['cached'] else None)
        arguments = (self._context, volume, image['location'], image_id,
                     image['meta'], service)
        if image['cached']:
            _, cloned = flow._prepare_image_cache_entry(*arguments)
        if not cloned:
            flow._create_from_image_cache_or_download(*arguments)

    @staticmethod
    def _service() -> Any:
        """One for each create, as in the create flow."""
        return glance.get_default_image_service()

    def _create_image_cache_volume_entry(self, where: Any, volume: Any,
                                         image_id: str,
                                         image_meta: dict[str, Any]) -> None:
        """What the flow asks of Cinder's manager, without its quotas."""
        copy = self._volume(volume.size)
        self._driver.create_cloned_volume(copy, volume)
        self._cache.create_cache_entry(where, copy, image_id, image_meta)

    def _volume(self, size: int, encrypted: bool = False,
                volume_id: str | None = None) -> Any:
        facts: dict[str, Any] = {'id': volume_id} if volume_id else {}
        if encrypted:
            facts['encryption_key_id'] = KEY_ID
        volume = objects.Volume(
            self._context, size=size, project_id=PROJECT, user_id='u' * 32,
            host=self._host, status='creating', use_quota=True,
            volume_type_id=self._types['luks' if encrypted else 'plain'],
            **facts)
        volume.create()
        return self._load(volume.id)

    def _load(self, volume_id: str) -> Any:
        volume = objects.Volume.get_by_id(self._context, volume_id)
        _ = volume.volume_type  # loaded when first asked for
        return volume


def _volume_type(where: Any, name: str) -> str:
    made = database.volume_type_create(where, {'name': name,
                                               'extra_specs': {}})
    return str(made['id'])


def _prepare(state: pathlib.Path, glance_url: str) -> None:
    """What cinder-volume's start does to its process."""
    conversion = state / 'conversion'
    conversion.mkdir(parents=True)
    CONF([], project='cinder', default_config_files=[])
    oslo_messaging.get_notification_transport(CONF, 'fake:/')
    for name, value in {
            'transport_url': 'fake:/', 'state_path': str(state),
            'image_conversion_dir': str(conversion),
            'auth_strategy': 'noauth', 'glance_api_servers': [glance_url],
            'allowed_direct_url_schemes': ['cinder'],
            'cinder_internal_tenant_project_id': PROJECT,
            'cinder_internal_tenant_user_id': 'u' * 32,
            'log_file': str(state / 'cinder-volume.log')}.items():
        CONF.set_override(name, value)
    CONF.set_override('connection', f'sqlite:///{state}/cinder.sqlite',
                      group='database')
    # Or else its writes, which are not measured, would hold up Ceph's on the
    # same disk.
    CONF.set_override('sqlite_synchronous', False, group='database')
    CONF.set_override('lock_path', str(state), group='oslo_concurrency')
    # We are root already; privsep's daemon needs no sudo.
    CONF.set_override('helper_command', 'privsep-helper',
                      group=privsep.sys_admin_pctxt.cfg_section)
    logging.setup(CONF, 'cinder')
    rpc.init(CONF)
    coordination.COORDINATOR.start()
    _use_fixed_key()
    models.BASE.metadata.create_all(database.get_engine())


def _use_fixed_key() -> None:
    """Keys for encrypted volumes without a key service."""
    CONF.set_override(
        'backend', 'cinder.keymgr.conf_key_mgr.ConfKeyManager',
        group='key_manager')
    CONF.set_override('fixed_key', '0f' * 32, group='key_manager')
