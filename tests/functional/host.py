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
"""A driver as cinder-volume has it, without a database or an API.

Real Cinder classes throughout: its configuration, its volume objects, its
driver base classes.  Only what would come from other services is made here:
the image service, which serves files, and the place where notifications and
user messages go.
"""

from collections.abc import Callable
from collections.abc import Iterator
import dataclasses
import hashlib
import pathlib
import types
import uuid

from cinder import context
from cinder import objects
from cinder import rpc
from cinder.volume import configuration
from cinder.volume import driver as volume_driver
from cinder.volume.drivers import rbd as cinder_rbd
from glanceclient import exc as glance_exc
from oslo_config import cfg
import oslo_messaging
import rados
import rbd

from rbd_imgdriver import driver as our_driver
from sandbox import polling

CONF = cfg.CONF
PROJECT = 'p' * 32


def prepare(state: pathlib.Path) -> None:
    """What cinder-volume's start does to the process, once."""
    objects.register_all()
    CONF([], project='cinder')
    oslo_messaging.get_notification_transport(CONF, 'fake:/')
    CONF.set_override('transport_url', 'fake:/')
    CONF.set_override('state_path', str(state))
    CONF.set_override('image_conversion_dir', str(state / 'conversion'))
    rpc.init(CONF)


class Driver(our_driver.RBDImageDriver):
    """Does nothing by itself: its loops would outlive their test."""

    @staticmethod
    def _every(seconds: float, task: Callable[[], None]) -> None:
        """A test does what it wants to see."""


def make(cluster, pool: str, cls=Driver, user='cinder', **options):
    """A driver that has been set up.

    :param options: of the backend's section
    """
    group = f'{pool}-{uuid.uuid4().hex[:8]}'
    settings = configuration.Configuration(
        [*volume_driver.volume_opts, *volume_driver.image_opts,
         *cinder_rbd.RBD_OPTS, *our_driver.opts.OPTS], config_group=group)
    options = {'rbd_pool': pool, 'rbd_user': user,
               'rbd_ceph_conf': str(cluster.conf(user)),
               'volume_backend_name': group,
               'rados_connection_interval': 1, **options}
    for name, value in options.items():
        CONF.set_override(name, value, group=group)
    made = cls(configuration=settings, host=f'test@{group}')
    made.do_setup(None)
    made.check_for_setup_error()
    made.set_initialized()
    return made


def volume(size: int = 1, **facts) -> objects.Volume:
    """A volume object as the create flow passes it to a driver.

    :param size: GiB
    """
    facts = {'id': str(uuid.uuid4()), '_name_id': None, 'size': size,
             'project_id': PROJECT, 'host': 'test@backend#backend',
             'volume_type_id': None, 'encryption_key_id': None,
             'use_quota': True, 'status': 'creating',
             'attach_status': 'detached', **facts}
    volume_type = facts.pop('volume_type', None)
    made = objects.Volume(context.get_admin_context(), **facts)
    made.volume_type = volume_type
    return made


def snapshot(of: objects.Volume) -> objects.Snapshot:
    """A snapshot object of a volume."""
    made = objects.Snapshot(
        context.get_admin_context(), id=str(uuid.uuid4()), volume_id=of.id,
        volume_size=of.size, project_id=PROJECT, encryption_key_id=None)
    made.volume = of
    return made


@dataclasses.dataclass
class ImageService:
    """Glance, as far as a driver sees it: an image's file.

    Answers what the driver asks of Cinder's Glance client.
    ``downloads`` counts how often it was asked for the data.

    :param properties: of the image, for example its signature
    """

    path: pathlib.Path
    chunk: int = 64 * 1024
    downloads: int = 0
    gone: bool = False
    properties: dict = dataclasses.field(default_factory=dict)

    @property
    def _client(self) -> 'ImageService':
        return self

    def show(self, _context, image_id: str) -> dict:
        """What the driver asks for after a create has begun."""
        return {'id': image_id, 'properties': self.properties}

    def call(self, _context, method: str, url: str, *, controller: str,
             requests_auth=None, **_arguments):
        """What Cinder's GlanceClientWrapper does, for one image's data."""
        assert (method, controller) == ('get', 'http_client')
        assert url.endswith('/file')
        self.downloads += 1
        if self.gone:
            raise glance_exc.HTTPNotFound
        request = types.SimpleNamespace(headers={'Range': 'bytes=0-'})
        if requests_auth is not None:
            requests_auth(request)
        start = int(request.headers['Range'][6:-1])
        return _Response(206 if start else 200), self.chunks(start)

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        with self.path.open('rb') as file:
            file.seek(start)
            while chunk := file.read(self.chunk):
                yield chunk


@dataclasses.dataclass
class _Response:
    status_code: int

    def close(self) -> None:
        """Nothing is open but the file, which its generator closes."""


def image_meta(path: pathlib.Path, disk_format: str, **facts) -> dict:
    """What Glance says of an image whose data is a file."""
    data = path.read_bytes()
    return {'id': str(uuid.uuid4()), 'name': path.name, 'owner': PROJECT,
            'disk_format': disk_format, 'container_format': 'bare',
            'size': len(data), 'status': 'active', 'os_hash_algo': 'sha512',
            'os_hash_value': hashlib.sha512(data).hexdigest(),
            'updated_at': '2026-01-01T00:00:00Z', 'properties': {}, **facts}


def store_in_glance(client: rados.Rados, name: str, data: bytes,
                    order: int = 23) -> str:
    """Store an image in Ceph as Glance's RBD store does; its location.

    :param client: one that may write to Glance's pool
    :param name: the image's id
    """
    with client.open_ioctx('images') as ioctx:
        rbd.RBD().create(ioctx, name, len(data), order, old_format=False,
                         features=61)
        with rbd.Image(ioctx, name) as image:
            image.write(data, 0)
            image.create_snap('snap')
            image.protect_snap('snap')
    return f'rbd://{client.get_fsid()}/images/{name}/snap'


def end_flattens(driver) -> None:
    """End what the service of a driver flattens, as its end would.

    What it was to flatten is still noted on the images, for the next start.
    """
    flattener = driver._chains.flattener
    flattener.end()
    assert polling.wait_until(lambda: not flattener._running, 60)
