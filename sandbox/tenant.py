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

"""What a user of the cloud does: upload images, make and delete volumes."""

from __future__ import annotations

from collections.abc import Callable
import functools
import pathlib
import time
from typing import Any

from sandbox import context
from sandbox import errors
from sandbox import polling
from sandbox import rest


class Tenant:
    """A user whose images and volumes all have names with one prefix.

    :param prefix: also says what ``clean()`` may delete
    """

    def __init__(self, sandbox: context.Context, prefix: str) -> None:
        self._client = rest.Client(sandbox)
        self._prefix = prefix
        # Where the reason is, should a volume fail.
        self._log = sandbox.layout.log('cinder-volume')

    def upload(self, name: str, file: pathlib.Path, disk_format: str,
               store: str = 'rbd') -> str:
        """Upload an image to one of Glance's stores; its id."""
        image = str(self._client.image('POST', '/images', {
            'name': self._prefix + name, 'disk_format': disk_format,
            'container_format': 'bare', 'visibility': 'public'})['id'])
        with open(file, 'rb') as data:
            self._client.upload(f'/images/{image}/file', data, store)
        self._await(f'image {name}', lambda: self._client.image(
            'GET', f'/images/{image}'), good=('active',))
        return image

    def create_volume(self, name: str, image: str, backend: str,
                      size: int = 1) -> tuple[str, float]:
        """Make a volume from an image.

        :returns: its id, and after how many seconds it was available
        """
        began = time.monotonic()
        volume = str(self._client.volume('POST', '/volumes', {'volume': {
            'name': self._prefix + name, 'size': size, 'imageRef': image,
            'volume_type': backend}})['volume']['id'])
        self._await(f'volume {name}', lambda: self._volume(volume),
                    good=('available',))
        return volume, time.monotonic() - began

    def clean(self) -> None:
        """Delete this user's volumes and images; wait until they are gone."""
        for volume in self._mine(self._client.volume(
                'GET', '/volumes')['volumes']):
            self._client.volume('DELETE', f'/volumes/{volume}')
            self._await(f'deletion of volume {volume}',
                        functools.partial(self._volume, volume),
                        good=('gone',))
        for image in self._mine(self._client.image(
                'GET', '/images')['images']):
            self._client.image('DELETE', f'/images/{image}')

    def _volume(self, volume: str) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = self._client.volume(
                'GET', f'/volumes/{volume}')['volume']
        except rest.RestError as error:
            if error.code != 404:
                raise
            return {'status': 'gone'}
        return answer

    def _mine(self, things: list[dict[str, Any]]) -> list[str]:
        return [thing['id'] for thing in things
                if (thing['name'] or '').startswith(self._prefix)]

    def _await(self, what: str, ask: Callable[[], dict[str, Any]],
               good: tuple[str, ...]) -> None:
        """Wait until something has a good status; a bad one is an error."""
        status = ''
        offset = self._log.stat().st_size

        def settled() -> bool:
            nonlocal status
            status = ask()['status']
            return status in good or status.startswith('error') or (
                status in ('killed', 'gone'))

        if not polling.wait_until(settled, 300, 0.05) or status not in good:
            raise errors.SandboxError(what, f'its status is "{status}"',
                                      self._log, offset)
