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

"""End to end: through the API of a Cinder in a whole cloud, the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import dataclasses
import subprocess
import time
from typing import Any

from bench import contender
from bench import data
from bench import lab as labs
from bench import results
from bench import statistics
from sandbox import context
from sandbox import polling
from sandbox import rest

KINDS = {'ours': 'img1', 'intree': 'intree'}
POLL = 0.02  # seconds between two looks at a volume
PATIENCE = 300  # seconds
# What an image may add to a blank volume, in seconds.
MARGIN = 0.1


def end_to_end(lab: labs.Lab) -> Iterator[results.Result]:
    """How long a user waits for a volume of an image, and for a blank one.

    The cloud is the sandbox that ``make sandbox-up`` starts; if it does not
    run it is started, and stopped again.  Its monitor is quicker than Ceph's
    default, which favours drivers that make snapshots.
    """
    with _sandbox() as api:
        raw = labs.QUICK.imported
        qcow2 = dataclasses.replace(raw, disk_format='qcow2')
        for name, disk, store, title in (
                ('direct', raw, 'rbd', 'raw image in the same cluster'),
                ('cached', qcow2, 'file', 'qcow2 image, cached by us')):
            with _Cloud(api, disk.gib) as cloud:
                image = cloud.image(lab.images.path(disk), disk, store)
                samples = lab.turns({
                    'ours': cloud.action('ours', image),
                    'limit': cloud.action('ours', None),
                    'intree': cloud.action('intree', image)},
                    rounds=2 * lab.scale.rounds)
            yield from _percentiles(name, title, samples)


def _percentiles(name: str, title: str,
                 samples: labs.Samples) -> Iterator[results.Result]:
    for percent in (50, 95):
        values = {who: [statistics.percentile(
            [one.seconds for one in taken], percent)]
            for who, taken in samples.items()}
        yield results.Result(
            f'end-to-end-{name}-p{percent}',
            f'{title}: until available, through the API, {percent}th '
            'percentile; the limit is a blank volume', 's', values,
            results.Wanted(over_limit=MARGIN),
            rounds=min(map(len, samples.values())))


class _Cloud:
    """What is made in the cloud, and removed at the end.

    :param size: of the volumes in GiB
    """

    def __init__(self, api: rest.Client, size: int) -> None:
        self._api = api
        self._size = size
        self._volumes: list[str] = []
        self._images: list[str] = []

    def __enter__(self) -> _Cloud:
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
def _sandbox() -> Iterator[rest.Client]:
    """The sandbox's API; a sandbox that does not run is started."""
    command = ['/usr/bin/python3', '-m', 'sandbox']

    def run(verb: str) -> int:
        return subprocess.run([*command, verb], cwd=contender.TOP,
                              stdout=subprocess.DEVNULL).returncode

    ran = run('status') == 0
    if not ran:
        labs.say('starting the sandbox')
        if run('up'):
            raise contender.ContenderFailed('the sandbox does not start')
    try:
        yield rest.Client(context.Context.from_environ())
    finally:
        if not ran:
            run('down')
