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

"""The cloud to measure through its API: the sandbox, what is made in it."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
import contextlib
import os
import subprocess
import time
from typing import Any

from bench import contender
from bench import data
from bench import lab as labs
from sandbox import context
from sandbox import polling
from sandbox import rest

KINDS = {'ours': 'img1', 'intree': 'intree'}
POLL = 0.02  # seconds between two looks at a volume
PATIENCE = 300  # seconds


class Cloud:
    """What is made in the cloud, and removed at the end.

    :param size: of the volumes in GiB
    """

    def __init__(self, api: rest.Client, size: int) -> None:
        self._api = api
        self._size = size
        self._volumes: list[str] = []
        self._images: list[str] = []

    def __enter__(self) -> Cloud:
        return self

    def __exit__(self, *_: object) -> None:
        for volume in self._volumes:
            self._api.volume('DELETE', f'/volumes/{volume}')
        polling.wait_until(lambda: not self._left(), PATIENCE)
        for image in self._images:
            self._api.image('DELETE', f'/images/{image}')

    def image(self, path: Any, disk: data.Disk, store: str) -> str:
        """Upload an image; its id."""
        image = str(self._api.image('POST', '/images', {
            'name': f'bench-{path.name}', 'disk_format': disk.disk_format,
            'container_format': 'bare'})['id'])
        self._images.append(image)
        with path.open('rb') as file:
            self._api.upload(f'/images/{image}/file', file, store)
        return image

    def action(self, kind: str,
               image: str | None) -> Callable[[], contender.Sample]:
        """Create a volume and wait until it can be used."""
        body: dict[str, Any] = {'size': self._size,
                                'volume_type': KINDS[kind]}
        if image:
            body['imageRef'] = image

        def act() -> contender.Sample:
            started = time.perf_counter()
            volume = self._api.volume('POST', '/volumes', {'volume': body})
            self._volumes.append(volume['volume']['id'])
            self._await(self._volumes[-1])
            return contender.Sample(time.perf_counter() - started)

        return act

    def _await(self, volume: str) -> None:
        end = time.monotonic() + PATIENCE
        while (status := self._status(volume)) != 'available':
            if status.startswith('error') or time.monotonic() > end:
                raise contender.ContenderFailed(f'volume {volume}: {status}')
            time.sleep(POLL)

    def _status(self, volume: str) -> str:
        shown = self._api.volume('GET', f'/volumes/{volume}')
        return str(shown['volume']['status'])

    def _left(self) -> set[str]:
        there = self._api.volume('GET', '/volumes')['volumes']
        return {one['id'] for one in there} & set(self._volumes)


@contextlib.contextmanager
def sandbox(**settings: str) -> Iterator[context.Context]:
    """The sandbox; one that does not run is started, and stopped again.

    :param settings: variables of its environment
    """
    command = ['/usr/bin/python3', '-m', 'sandbox']

    def run(verb: str) -> int:
        return subprocess.run([*command, verb], cwd=contender.TOP,
                              stdout=subprocess.DEVNULL).returncode

    with _environment(settings):
        ran = run('status') == 0
        try:
            if not ran:
                labs.say('starting the sandbox')
                if run('up'):
                    raise contender.ContenderFailed(
                        'the sandbox does not start')
            yield context.Context.from_environ()
        finally:
            if not ran:
                run('down')


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
