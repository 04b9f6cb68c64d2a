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
"""Prometheus metrics, for those who switch them on.

Needs the library ``prometheus-client`` (``pip install '.[prometheus]'`` in a
checkout) and ``rbd_imgdriver_metrics_port``.  Every
backend is a process of its own under cinder-volume and needs its own port.
"""

import dataclasses
import functools
from typing import Any

from rbd_imgdriver import signals


@dataclasses.dataclass(frozen=True)
class Metric:
    """One metric, as Prometheus and the documentation show it.

    :param kind: ``counter``, ``histogram`` or ``gauge``
    """

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()


VOLUMES = Metric('rbd_imgdriver_volumes_total', 'counter',
                 'Volumes made from images.', ('strategy',))
SECONDS = Metric('rbd_imgdriver_volume_seconds', 'histogram',
                 'Seconds to make a volume from an image.', ('strategy',))
BYTES = Metric('rbd_imgdriver_bytes_moved_total', 'counter',
               'Bytes read from Glance or copied within the cluster to make '
               'volumes from images.', ('strategy',))
DECLINED = Metric('rbd_imgdriver_declined_total', 'counter',
                  'Times that a strategy declined, by its code.',
                  ('strategy', 'code'))
FAILED = Metric('rbd_imgdriver_failed_total', 'counter',
                'Creates from images that failed, by their code.', ('code',))
CACHE = Metric('rbd_imgdriver_cache_events_total', 'counter',
               'What happened to the cache: hit, miss, evict.', ('action',))
IMPORTS = Metric('rbd_imgdriver_imports_in_flight', 'gauge',
                 'Imports that are under way in this process.')
FLATTENS = Metric('rbd_imgdriver_flatten_seconds', 'histogram',
                  'Seconds to flatten an image; its count is the number of '
                  'flattened images.')

ALL = (VOLUMES, SECONDS, BYTES, DECLINED, FAILED, CACHE, IMPORTS, FLATTENS)

# Seconds: from a clone to a conversion of a large image.
_BUCKETS = (.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)


class Unavailable(Exception):
    """Metrics cannot be served; the sentence says why."""


class Exporter:
    """Serves the metrics over HTTP.

    :param address: to listen on
    :param port: to listen on
    :raises Unavailable: when the library is missing or the port is taken
    """

    def __init__(self, address: str, port: int) -> None:
        try:
            import prometheus_client
        except ImportError as error:
            raise Unavailable(
                "prometheus-client is not installed: pip install "
                "'.[prometheus]' in a checkout of rbd-imgdriver") from error
        registry = prometheus_client.CollectorRegistry()
        makers: dict[str, Any] = {
            'counter': prometheus_client.Counter,
            'gauge': prometheus_client.Gauge,
            'histogram': functools.partial(prometheus_client.Histogram,
                                           buckets=_BUCKETS)}
        self._made = {one: makers[one.kind](one.name, one.help, one.labels,
                                            registry=registry)
                      for one in ALL}
        try:
            self.server, _ = prometheus_client.start_http_server(
                port, address, registry)
        except OSError as error:
            raise Unavailable(f'cannot listen on {address} port {port}: '
                              f'{error}') from error
        signals.listen(self.hear)

    def close(self) -> None:
        """Stop serving."""
        signals.forget(self.hear)
        self.server.shutdown()
        self.server.server_close()

    def hear(self, signal: signals.Signal) -> None:
        """Count what happened."""
        match signal:
            case signals.VolumeMade(strategy, declined, moved, seconds):
                self._made[VOLUMES].labels(strategy).inc()
                self._made[SECONDS].labels(strategy).observe(seconds)
                self._made[BYTES].labels(strategy).inc(moved)
                for one, code in declined:
                    self._made[DECLINED].labels(one, code).inc()
            case signals.VolumeFailed(code):
                self._made[FAILED].labels(code).inc()
            case signals.CacheEvent(action):
                self._made[CACHE].labels(action).inc()
            case signals.Imports(change):
                self._made[IMPORTS].inc(change)
            case signals.Flattened(seconds=seconds):
                self._made[FLATTENS].observe(seconds)
