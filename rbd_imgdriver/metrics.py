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
checkout) and ``rbd_imgdriver_metrics_port``.
Every backend is a process of its own under cinder-volume and needs its own
port.
"""

from collections.abc import Iterable
import dataclasses
import functools
from importlib import metadata
import itertools
import time
from typing import Any

from rbd_imgdriver import errors
from rbd_imgdriver import metrics_listener
from rbd_imgdriver import signals


@dataclasses.dataclass(frozen=True)
class Metric:
    """One metric, as Prometheus and the documentation show it.

    Each also has the label ``backend``, the section of cinder.conf.

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
SUCCESS = Metric('rbd_imgdriver_last_success_timestamp_seconds', 'gauge',
                 'When a volume was last made from an image; 0 for never.')
CACHE = Metric('rbd_imgdriver_cache_events_total', 'counter',
               'What happened to the cache: hit, miss, evict.', ('action',))
ENTRIES = Metric('rbd_imgdriver_cache_entries', 'gauge',
                 'Golden images in the cache.')
CACHE_BYTES = Metric('rbd_imgdriver_cache_bytes', 'gauge',
                     'Size of the golden images in bytes, as the limits of '
                     'the cache count it.')
OLDEST = Metric('rbd_imgdriver_cache_oldest_use_timestamp_seconds', 'gauge',
                'When the least recently used golden image was last used; 0 '
                'when there is none.')
SWEEPS = Metric('rbd_imgdriver_sweeps_total', 'counter',
                'Sweeps of the cache, by result: done, failed.', ('result',))
SWEPT = Metric('rbd_imgdriver_swept_images_total', 'counter',
               'RBD images that sweeps have removed.')
LAST_SWEEP = Metric('rbd_imgdriver_last_sweep_timestamp_seconds', 'gauge',
                    'When a sweep last did all that was to do; 0 for never.')
IMPORTS = Metric('rbd_imgdriver_imports_in_flight', 'gauge',
                 'Imports that are under way in this process, those that wait '
                 'for their turn included.')
FLATTENS = Metric('rbd_imgdriver_flatten_seconds', 'histogram',
                  'Seconds to flatten an image; its count is the number of '
                  'flattened images.')
WAITING = Metric('rbd_imgdriver_flattens_waiting', 'gauge',
                 'Images that wait to be flattened by this process.')
BUILD = Metric('rbd_imgdriver_build_info', 'gauge',
               'Always 1; says which version runs.', ('version',))

ALL = (VOLUMES, SECONDS, BYTES, DECLINED, FAILED, SUCCESS, CACHE, ENTRIES,
       CACHE_BYTES, OLDEST, SWEEPS, SWEPT, LAST_SWEEP, IMPORTS, FLATTENS,
       WAITING, BUILD)

_BACKEND = 'backend'
_DONE, _FAILED = 'done', 'failed'

# Seconds: from a clone to a conversion of a large image.
_BUCKETS = (.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800)


class Unavailable(Exception):
    """Metrics cannot be served; the sentence says why."""


class Exporter:
    """Serves the metrics of one backend over HTTP.

    A series that is born with its first event hides that event from
    ``increase()`` and ``rate()``, so all that are known begin at 0.

    :param address: to listen on
    :param port: to listen on
    :param backend: name of the backend's section
    :param strategies: names of those that may make a volume
    :param codes: that strategies may decline with
    :raises Unavailable: when the library is missing or the port is taken
    """

    def __init__(self, address: str, port: int, backend: str,
                 strategies: Iterable[str] = (),
                 codes: Iterable[str] = ()) -> None:
        try:
            import prometheus_client
        except ImportError as error:
            raise Unavailable(
                "prometheus-client is not installed: pip install "
                "'.[prometheus]' in a checkout of rbd-imgdriver") from error
        self._backend = backend
        registry = prometheus_client.CollectorRegistry()
        makers: dict[str, Any] = {
            'counter': prometheus_client.Counter,
            'gauge': prometheus_client.Gauge,
            'histogram': functools.partial(prometheus_client.Histogram,
                                           buckets=_BUCKETS)}
        self._made = {one: makers[one.kind](
            one.name, one.help, (_BACKEND, *one.labels), registry=registry)
            for one in ALL}
        self._begin(tuple(strategies), tuple(codes))
        try:
            self.listener = metrics_listener.Listener(
                address, port, prometheus_client.CONTENT_TYPE_LATEST,
                lambda: prometheus_client.generate_latest(registry))
        except OSError as error:
            raise Unavailable(f'cannot listen on {address} port {port}: '
                              f'{error}') from error
        signals.listen(self.hear)

    def close(self) -> None:
        """Stop serving."""
        signals.forget(self.hear)
        self.listener.close()

    def hear(self, signal: signals.Signal) -> None:
        """Count what happened."""
        match signal:
            case signals.VolumeMade(strategy, declined, moved, seconds):
                self._series(VOLUMES, strategy).inc()
                self._series(SECONDS, strategy).observe(seconds)
                self._series(BYTES, strategy).inc(moved)
                self._series(SUCCESS).set(time.time())
                for one, code in declined:
                    self._series(DECLINED, one, code).inc()
            case signals.VolumeFailed(code):
                self._series(FAILED, code).inc()
            case signals.CacheEvent(action):
                self._series(CACHE, action).inc()
            case signals.Imports(change):
                self._series(IMPORTS).inc(change)
            case signals.Flattened(seconds=seconds):
                self._series(FLATTENS).observe(seconds)
            case signals.Swept(removed, failed):
                self._series(SWEEPS, _FAILED if failed else _DONE).inc()
                self._series(SWEPT).inc(removed)
                if not failed:
                    self._series(LAST_SWEEP).set(time.time())
            case signals.State(entries, size, oldest, waiting):
                self._series(ENTRIES).set(entries)
                self._series(CACHE_BYTES).set(size)
                self._series(OLDEST).set(oldest)
                self._series(WAITING).set(waiting)

    def _series(self, metric: Metric, *values: str) -> Any:
        return self._made[metric].labels(self._backend, *values)

    def _begin(self, strategies: tuple[str, ...],
               codes: tuple[str, ...]) -> None:
        """Let every series that is known begin at 0."""
        known: dict[str, tuple[str, ...]] = {'strategy': strategies}
        version = metadata.version('rbd-imgdriver')
        of: dict[Metric, dict[str, tuple[str, ...]]] = {
            DECLINED: {**known, 'code': codes},
            FAILED: {'code': tuple(errors.codes())},
            CACHE: {'action': ('hit', 'miss', 'evict')},
            SWEEPS: {'result': (_DONE, _FAILED)},
            BUILD: {'version': (version,)}}
        for metric in ALL:
            values = of.get(metric, known)
            for one in itertools.product(
                    *(values[label] for label in metric.labels)):
                self._series(metric, *one)
        self._series(BUILD, version).set(1)
