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

"""What Tempest needs before it can run: images, a type, its configuration."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import pathlib
import string
import subprocess

from sandbox import cinder
from sandbox import context
from sandbox import polling
from sandbox import rest
from sandbox import storage
from sandbox import templates
from sandbox import volume_types

HERE = pathlib.Path(__file__).resolve().parent
BACKEND = cinder.BACKENDS[0]
MULTIATTACH = 'multiattach'
IMAGES = ('tempest-a', 'tempest-b')
# A small disk: Tempest only asks that it is an image.
SIZE = '4M'


class Workspace:
    """The directory in which Tempest runs against one sandbox."""

    def __init__(self, sandbox: context.Context) -> None:
        self.sandbox = sandbox
        self.directory = sandbox.layout.root / 'tempest'
        self.conf = self.directory / 'tempest.conf'
        self._www = self.directory / 'www'
        self._client = rest.Client(sandbox)

    def prepare(self) -> None:
        """Make all that is missing; may be called again."""
        for path in self._www, self.directory / 'lock':
            path.mkdir(parents=True, exist_ok=True)
        raw, qcow2 = self._www / 'disk.raw', self._www / 'disk.qcow2'
        if not qcow2.exists():
            subprocess.run(['qemu-img', 'create', '-q', '-f', 'raw', raw,
                            SIZE], check=True)
            subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O',
                            'qcow2', raw, qcow2], check=True)
        image, image_alt = [self._image(name, raw) for name in IMAGES]
        self._make_multiattach_type()
        self._configure(image, image_alt)

    @contextlib.contextmanager
    def web(self) -> Iterator[None]:
        """Serve the disks over HTTP, for Glance to fetch."""
        url = self.sandbox.url('web', '/')
        daemon = self.sandbox.daemon(
            'web', ['/usr/bin/python3', '-m', 'http.server', '--bind',
                    '127.0.0.1', '--directory', self._www,
                    str(self.sandbox.ports['web'])],
            ready=lambda daemon: polling.http_answers(url))
        daemon.ensure()
        try:
            yield
        finally:
            daemon.stop()

    def _image(self, name: str, raw: pathlib.Path) -> str:
        """A public image of this name; its id."""
        known = self._client.image('GET', f'/images?name={name}')['images']
        for image in known:
            if image['status'] == 'active':
                return str(image['id'])
        image = self._client.image('POST', '/images', {
            'name': name, 'disk_format': 'raw', 'container_format': 'bare',
            'visibility': 'public'})
        with raw.open('rb') as data:
            self._client.upload(f'/images/{image["id"]}/file', data, 'rbd')
        return str(image['id'])

    def _make_multiattach_type(self) -> None:
        types = self._client.volume('GET', '/types')['volume_types']
        if MULTIATTACH not in {kind['name'] for kind in types}:
            self._client.volume('POST', '/types', {'volume_type': {
                'name': MULTIATTACH, 'extra_specs': {
                    'volume_backend_name': BACKEND.name,
                    'multiattach': '<is> True'}}})

    def _configure(self, image: str, image_alt: str) -> None:
        template = string.Template((HERE / 'tempest.conf').read_text())
        templates.write(self.conf, template.substitute(
            directory=self.directory, image=image, image_alt=image_alt,
            volume_type=BACKEND.name, multiattach=MULTIATTACH,
            encrypted=volume_types.ENCRYPTED, pool=BACKEND.pool,
            ceph_user=BACKEND.user,
            ceph_conf=storage.cluster(self.sandbox).conf(BACKEND.user),
            password=self.sandbox.layout.password,
            keystone=self.sandbox.url('keystone', '/v3'),
            web=self.sandbox.url('web')))
