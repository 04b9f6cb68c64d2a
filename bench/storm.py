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

"""Very many volumes at once through Cinder's API, and how each of them went.

How long a volume took in cinder-volume is what that says itself, in its
notifications (``volume.create.start`` and ``.end``), which the sandbox has in
the services' logs.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from concurrent import futures
import dataclasses
import datetime
import json
import pathlib
import re
import time
from typing import Any

from bench import contender
from bench import statistics
from sandbox import cinder
from sandbox import context
from sandbox import polling
from sandbox import rest

_CLIENTS = 8
_POLL = 0.2  # seconds between two looks at the cloud
_PATIENCE = 3600  # seconds
_NOTE = re.compile(r'notification\.volume\.create\.(start|end) '
                   r'[^{]*({.*})$')


@dataclasses.dataclass(frozen=True)
class Storm:
    """What became of it.

    :param count: volumes that were asked for
    :param seconds: from the first request until none was being created
    :param errors: volumes that are not available then
    :param stuck: volumes that were still being created after an hour
    :param times: seconds in cinder-volume of each volume
    :param downloads: how often the image was fetched from Glance
    :param memory: bytes, the most that one cinder-volume ever held
    """

    count: int
    seconds: float
    errors: int
    stuck: int
    times: tuple[float, ...]
    downloads: int
    memory: int

    @property
    def rate(self) -> float:
        """Volumes per second."""
        return self.count / self.seconds

    @property
    def spread(self) -> float:
        """The 99th percentile of the times as a multiple of the median."""
        return (statistics.percentile(self.times, 99)
                / statistics.percentile(self.times, 50))


def blow(sandbox: context.Context, count: int, type_: str,
         image: str | None) -> Storm:
    """Create volumes, and remove them again.

    :param count: how many
    :param type_: the volume type
    :param image: id of an image of at most 1 GiB; None for blank ones
    """
    clients = [rest.Client(sandbox) for _ in range(_CLIENTS)]
    body = {'size': 1, 'volume_type': type_,
            **({'imageRef': image} if image else {})}
    logs = _Logs(sandbox)

    def create(api: rest.Client, _: int) -> str:
        made = api.volume('POST', '/volumes', {'volume': body})
        return str(made['volume']['id'])

    started = time.monotonic()
    ids = _spread(clients, create, range(count))
    polling.wait_until(lambda: not _unfinished(clients[0]), _PATIENCE, _POLL)
    seconds = time.monotonic() - started
    stuck = len(_unfinished(clients[0]))
    available = len({str(one['id']) for one in _of(clients[0], 'available')}
                    & set(ids))
    storm = Storm(count, seconds, count - available - stuck, stuck,
                  tuple(logs.times(ids)), logs.downloads(image),
                  _memory(sandbox))
    _remove(clients, ids)
    return storm


def _spread(clients: list[rest.Client],
            action: Callable[[rest.Client, Any], Any],
            items: Iterable[Any]) -> list[Any]:
    """Do something to all items, each client to its share of them."""
    items = list(items)

    def share(number: int) -> list[Any]:
        return [action(clients[number], item)
                for item in items[number::len(clients)]]

    with futures.ThreadPoolExecutor(len(clients)) as threads:
        return [one for some in threads.map(share, range(len(clients)))
                for one in some]


def _of(api: rest.Client, status: str) -> list[Any]:
    """Volumes of a status; at most a page of them, 1,000."""
    answer = api.volume('GET', f'/volumes?status={status}')
    return list(answer['volumes'])


def _unfinished(api: rest.Client) -> list[Any]:
    # In this order: what is being created may be "downloading" next.
    return _of(api, 'creating') + _of(api, 'downloading')


def _remove(clients: list[rest.Client], ids: list[str]) -> None:
    _spread(clients, lambda api, id_: api.volume(
        'DELETE', f'/volumes/{id_}'), ids)
    polling.wait_until(lambda: not _of(clients[0], 'deleting'),
                       _PATIENCE, _POLL)
    left = {str(one['id']) for one in clients[0].volume(
        'GET', '/volumes')['volumes']} & set(ids)
    if left:
        raise contender.ContenderFailed(f'{len(left)} volumes stay')


def _memory(sandbox: context.Context) -> int:
    """The largest resident size that a cinder-volume has had, in bytes."""
    sizes = [0]
    for daemon in cinder.Cinder(sandbox).daemons():
        running = daemon.running()
        if running and daemon.name.startswith('cinder-volume'):
            status = pathlib.Path(f'/proc/{running.pid}/status').read_text()
            sizes.append(1024 * int(status.split('VmHWM:')[1].split()[0]))
    return max(sizes)


class _Logs:
    """What the services write from now on."""

    def __init__(self, sandbox: context.Context) -> None:
        self._sizes = {path: path.stat().st_size
                       for path in sandbox.layout.logs.glob('*.log')}

    def _lines(self, service: str) -> Iterator[str]:
        for path, size in self._sizes.items():
            if path.name.startswith(service):
                with path.open(errors='replace') as log:
                    log.seek(size)
                    yield from log

    def times(self, ids: Iterable[str]) -> Iterator[float]:
        """Seconds in cinder-volume of each of these volumes."""
        begun: dict[str, datetime.datetime] = {}
        wanted = set(ids)
        for line in self._lines('cinder-volume'):
            found = _NOTE.search(line)
            if not found:
                continue
            note = json.loads(found[2])
            volume = note['payload']['volume_id']
            at = datetime.datetime.fromisoformat(note['timestamp'])
            if found[1] == 'start':
                begun[volume] = at
            elif volume in wanted and volume in begun:
                yield (at - begun[volume]).total_seconds()

    def downloads(self, image: str | None) -> int:
        """How often an image's data was fetched from Glance."""
        request = f'GET /v2/images/{image}/file'
        return sum(request in line for line in self._lines('glance-api'))
