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

"""A sandbox's APIs, as a user of the cloud meets them.

``make e2e`` brings up a sandbox of its own.  With plain pytest the tests use
the one that runs: that of ``SANDBOX_DIR``, else that of the checkout.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import hashlib
import json
import pathlib
import subprocess
from typing import Any

import pytest
import rbd

from sandbox import cloud as cloud_of
from sandbox import context
from sandbox import polling
from sandbox import progress
from sandbox import rest
from sandbox import storage

POOLS = {'img1': 'volumes', 'img2': 'volumes2', 'intree': 'intree'}
KEYS = ('rbd-imgdriver/strategy', 'rbd-imgdriver/declined')
# The cache keeps its images when the volumes made of them are gone.
CACHED = 'image-cache-'
TIMEOUT = 120

_SETTINGS = context.Context.from_environ().settings
# Servers need "make e2e NOVA=1", and hosts more than one; "make e2e" has two.
collect_ignore = [
    *([] if _SETTINGS.nova else ['test_servers.py']),
    *([] if _SETTINGS.volume_hosts > 1 else ['test_hosts.py'])]


@dataclasses.dataclass(frozen=True)
class Stored:
    """A volume as Ceph knows it."""

    size: int
    parent: tuple[str, str, str] | None
    metadata: dict[str, str]
    data: bytes

    @property
    def strategy(self) -> str | None:
        return self.metadata.get('rbd-imgdriver/strategy')

    @property
    def declined(self) -> str | None:
        return self.metadata.get('rbd-imgdriver/declined')


class Cloud:
    """What the tests do in the cloud; it is undone when they end."""

    def __init__(self, sandbox: context.Context,
                 api: rest.Client | None = None) -> None:
        self.api = api or rest.Client(sandbox)
        self._cluster = storage.cluster(sandbox)
        self._made: list[Callable[[], None]] = []

    def image(self, path: pathlib.Path, disk_format: str,
              store: str = 'rbd') -> str:
        """Upload an image; its id."""
        image = self.queued_image(disk_format)
        with path.open('rb') as data:
            self.api.upload(f'/images/{image}/file', data, store)
        self.await_image(image)
        return image

    def queued_image(self, disk_format: str) -> str:
        """Make an image without data; its id."""
        image = self.api.image('POST', '/images', {
            'name': 'e2e', 'disk_format': disk_format,
            'container_format': 'bare'})['id']
        self._made.append(lambda: self._delete_image(image))
        return image

    def await_image(self, image: str) -> None:
        self._await(
            lambda: self.api.image('GET', f'/images/{image}')['status'],
            'active')

    def ask_for_volume(self, image: str | None, kind: str, size: int,
                       **more: str) -> str:
        """Have a volume of so many GiB made of an image; its id."""
        volume = self.api.volume('POST', '/volumes', {'volume': {
            'imageRef': image, 'size': size, 'volume_type': kind, **more}})
        ident = volume['volume']['id']
        self._made.append(lambda: self.delete_volume(ident))
        return ident

    def volume(self, image: str | None, kind: str, size: int = 1,
               **more: str) -> str:
        """The same, and wait until it can be used."""
        ident = self.ask_for_volume(image, kind, size, **more)
        self.await_status(ident, 'available')
        return ident

    def attach(self, volume: str) -> str:
        """Attach a volume, not to a server; the id of the attachment.

        Of a server's Cinder would ask Nova before it lets it go.
        """
        made = self.api.volume('POST', '/attachments', {'attachment': {
            'volume_uuid': volume,
            'connector': {'host': 'compute', 'ip': '127.0.0.1', 'mode': 'rw',
                          'multipath': False, 'platform': 'x86_64',
                          'os_type': 'linux', 'initiator': None}}})
        ident = made['attachment']['id']
        self.api.volume('POST', f'/attachments/{ident}/action',
                        {'os-complete': None})
        self._made.append(lambda: self.detach(ident))
        self.await_status(volume, 'in-use')
        return ident

    def detach(self, attachment: str) -> None:
        """End an attachment; one that is gone does no harm."""
        with self._until_gone():
            self.api.volume('DELETE', f'/attachments/{attachment}')

    def clone(self, volume: str, kind: str) -> str:
        """A volume like another; its id."""
        return self.volume(None, kind, source_volid=volume)

    @contextlib.contextmanager
    def opened(self, volume: str, kind: str) -> Iterator[rbd.Image]:
        """A volume as a server has it open."""
        with (self._cluster.connection() as client,
              client.open_ioctx(POOLS[kind]) as ioctx,
              rbd.Image(ioctx, f'volume-{volume}') as image):
            yield image

    def upload_volume(self, volume: str, disk_format: str,
                      container: str = 'bare') -> str:
        """Make an image of a volume; the image's id."""
        image = self.api.volume('POST', f'/volumes/{volume}/action', {
            'os-volume_upload_image': {
                'image_name': volume, 'disk_format': disk_format,
                'container_format': container},
        })['os-volume_upload_image']['image_id']
        self._made.append(lambda: self._delete_image(image))
        self.await_image(image)
        self.await_status(volume, 'available')
        return image

    def download(self, image: str) -> bytes:
        """An image's data."""
        return self.api.download(f'/images/{image}/file')

    def extend_volume(self, volume: str, size: int) -> None:
        """Make a volume larger, attached or not."""
        self.api.volume('POST', f'/volumes/{volume}/action',
                        {'os-extend': {'new_size': size}})

    def retype(self, volume: str, kind: str) -> None:
        """Give a volume another type, elsewhere if it has to be."""
        self.api.volume('POST', f'/volumes/{volume}/action', {'os-retype': {
            'new_type': kind, 'migration_policy': 'on-demand'}})

    def snapshot(self, volume: str) -> str:
        """Make a snapshot of a volume, attached or not; its id."""
        snapshot = self.api.volume('POST', '/snapshots', {'snapshot': {
            'volume_id': volume, 'force': True}})['snapshot']['id']
        self._made.append(lambda: self.delete_snapshot(snapshot))
        self._await(lambda: self.api.volume(
            'GET', f'/snapshots/{snapshot}')['snapshot']['status'],
            'available')
        return snapshot

    def delete_snapshot(self, snapshot: str) -> None:
        """Delete a snapshot and wait until it is gone."""
        with self._until_gone():
            self.api.volume('DELETE', f'/snapshots/{snapshot}')
            self._await(lambda: self.api.volume(
                'GET', f'/snapshots/{snapshot}')['snapshot']['status'],
                'gone')

    def show(self, volume: str) -> dict[str, Any]:
        return self.api.volume('GET', f'/volumes/{volume}')['volume']

    def await_status(self, volume: str, status: str) -> None:
        self._await(lambda: self.show(volume)['status'], status)

    def delete_volume(self, volume: str) -> None:
        with self._until_gone():
            assert polling.wait_until(lambda: self._is_deleted(volume),
                                      TIMEOUT), 'the volume is in use'
            self._await(lambda: self.show(volume)['status'], 'gone')

    def _is_deleted(self, volume: str) -> bool:
        """Whether somebody deletes it now.

        Not while Glance reads it, which detaches it a moment after the last
        byte; and when an image goes, Glance deletes the volume behind it.
        """
        try:
            self.api.volume('DELETE', f'/volumes/{volume}')
        except rest.RestError as error:
            if error.code != 400:
                raise
            return self.show(volume)['status'] == 'deleting'
        return True

    def delete_volumes(self, volumes: list[str]) -> None:
        """Delete volumes at the same time, and wait until all are gone."""
        for volume in volumes:
            self.api.volume('DELETE', f'/volumes/{volume}')
        for volume in volumes:
            self.await_gone(volume)

    def await_gone(self, volume: str) -> None:
        """Wait until somebody else has deleted a volume."""
        with self._until_gone():
            self._await(lambda: self.show(volume)['status'], 'gone')

    def stored(self, volume: str, kind: str, length: int) -> Stored:
        """A volume's RBD image, with its first bytes."""
        with (self._cluster.connection() as client,
              client.open_ioctx(POOLS[kind]) as ioctx,
              rbd.Image(ioctx, f'volume-{volume}', read_only=True) as image):
            try:
                parent = image.parent_info()
            except rbd.ImageNotFound:
                parent = None
            return Stored(image.size(), parent, _metadata(image),
                          image.read(0, length))

    def contents(self) -> dict[str, set[str]]:
        """Names in the pools and their trash, but for those of the cache."""
        found = {}
        with self._cluster.connection() as client:
            for pool in storage.POOLS:
                with client.open_ioctx(pool) as ioctx:
                    names = {name for name in rbd.RBD().list(ioctx)
                             if not name.startswith(CACHED)}
                    trash = {'trash: ' + entry['name']
                             for entry in rbd.RBD().trash_list(ioctx)}
                    found[pool] = names | trash
        return found

    def is_cached(self, image: str) -> bool:
        """Whether the cache of img1 has the image."""
        with (self._cluster.connection() as client,
              client.open_ioctx(POOLS['img1']) as ioctx):
            return any(name.startswith(f'{CACHED}{image}-')
                       for name in rbd.RBD().list(ioctx))

    def clean_up(self) -> None:
        while self._made:
            self._made.pop()()

    def _delete_image(self, image: str) -> None:
        with contextlib.suppress(rest.RestError):
            self.api.image('DELETE', f'/images/{image}')

    @staticmethod
    @contextlib.contextmanager
    def _until_gone() -> Iterator[None]:
        try:
            yield
        except rest.RestError as error:
            if error.code != 404:
                raise

    @staticmethod
    def _await(status: Callable[[], str], wanted: str) -> None:
        seen = ''

        def there() -> bool:
            nonlocal seen
            seen = status()
            if seen.startswith(('error', 'killed')) and wanted != seen:
                raise AssertionError(f'{seen} instead of {wanted}')
            return seen == wanted

        assert polling.wait_until(there, TIMEOUT), (
            f'still {seen} after {TIMEOUT} s')


def _metadata(image: rbd.Image) -> dict[str, str]:
    # Not metadata_list(): in Ceph 16 it mixes keys and values up where a
    # value is empty.
    found = {}
    for key in KEYS:
        with contextlib.suppress(KeyError):
            found[key] = image.metadata_get(key)
    return found


@pytest.fixture(scope='session')
def sandbox() -> context.Context:
    """The sandbox that runs."""
    sandbox = context.Context.from_environ()
    if not sandbox.layout.exists():
        pytest.fail(f'no sandbox in {sandbox.layout.root}: make sandbox-up')
    return sandbox


@pytest.fixture
def cloud(sandbox: context.Context) -> Iterator[Cloud]:
    """The cloud; the pools are afterwards what they were before."""
    cloud = Cloud(sandbox)
    before = cloud.contents()
    try:
        yield cloud
    finally:
        cloud.clean_up()
    # Glance deletes an image's data after it has answered.
    polling.wait_until(lambda: cloud.contents() == before, 10)
    assert cloud.contents() == before


@pytest.fixture
def reconfigured(sandbox: context.Context):
    """Adds to cinder.conf and restarts the services, and undoes that."""
    drop_in = sandbox.layout.etc / 'cinder/cinder.conf.d/e2e.conf'
    services = ['cinder-volume', 'cinder-volume2'][
        :sandbox.settings.volume_hosts]

    def write(text: str) -> None:
        drop_in.write_text(text)
        cloud_of.Cloud(sandbox, progress.Progress()).restart(services)

    yield write
    if drop_in.exists():
        write('')
        drop_in.unlink()


@pytest.fixture
def manage(sandbox):
    """Runs rbd-imgdriver-manage as an operator; what it prints as JSON."""
    cinder = sandbox.layout.etc / 'cinder'

    def run(*words: str, code: int = 0):
        done = subprocess.run(
            [sandbox.layout.venv / 'bin/rbd-imgdriver-manage', *words,
             '--format', 'json', '--config-file', cinder / 'cinder.conf',
             '--config-dir', cinder / 'cinder.conf.d'],
            capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout)

    return run


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> pathlib.Path:
    """A raw disk: data, a hole, data; another one for each test."""
    path = tmp_path / 'disk.raw'
    block = hashlib.shake_256(str(tmp_path).encode()).digest(2**20)
    with path.open('wb') as file:
        file.write(block * 5)
        file.seek(20 * 2**20)
        file.write(block[::-1] * 4)
    return path
