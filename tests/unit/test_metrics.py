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
"""Metrics as Prometheus reads them, over a real listener."""

from collections.abc import Iterator
from importlib import metadata
import socket
import time
import urllib.request

import prometheus_client.parser
import pytest

from rbd_imgdriver import errors
from rbd_imgdriver import metrics
from rbd_imgdriver import signals


@pytest.fixture
def exporter() -> Iterator[metrics.Exporter]:
    made = metrics.Exporter('127.0.0.1', 0, 'rbd', ('rbd-clone', 'import'),
                            ('not-raw',))
    yield made
    made.close()


def scrape(exporter: metrics.Exporter) -> dict[tuple, float]:
    port = exporter.listener.port
    with urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics') as got:
        text = got.read().decode()
    return {(sample.name, *(value for label, value
                            in sorted(sample.labels.items())
                            if label != 'backend')): sample.value
            for family in
            prometheus_client.parser.text_string_to_metric_families(text)
            for sample in family.samples}


def test_a_volume_is_counted_with_what_declined_before(exporter):
    signals.send(signals.VolumeMade(
        'import', (('rbd-clone', 'not-raw'), ('cached-clone', 'not-cached')),
        1000, 2.0))
    signals.send(signals.VolumeMade('rbd-clone', (), 0, 0.02))

    found = scrape(exporter)

    assert found['rbd_imgdriver_volumes_total', 'import'] == 1
    assert found['rbd_imgdriver_volumes_total', 'rbd-clone'] == 1
    assert found['rbd_imgdriver_bytes_moved_total', 'import'] == 1000
    assert found['rbd_imgdriver_declined_total', 'not-raw', 'rbd-clone'] == 1
    assert found['rbd_imgdriver_volume_seconds_sum', 'import'] == 2.0
    assert found['rbd_imgdriver_volume_seconds_bucket', '0.05',
                 'rbd-clone'] == 1


def test_other_signals_are_counted(exporter):
    signals.send(signals.VolumeFailed('no-space'))
    signals.send(signals.CacheEvent('hit'))
    signals.send(signals.Imports(+1))
    signals.send(signals.Imports(+1))
    signals.send(signals.Imports(-1))
    signals.send(signals.Flattened('volumes', 'id', 7.0))
    signals.send(signals.Swept(2, failed=False))
    signals.send(signals.Swept(1, failed=True))
    signals.send(signals.State(3, 4000, 5.0, 6))
    began = time.time()

    found = scrape(exporter)

    assert found['rbd_imgdriver_sweeps_total', 'done'] == 1
    assert found['rbd_imgdriver_sweeps_total', 'failed'] == 1
    assert found['rbd_imgdriver_swept_images_total',] == 3
    last = found['rbd_imgdriver_last_sweep_timestamp_seconds',]
    assert last == pytest.approx(began, abs=60)
    assert found['rbd_imgdriver_cache_entries',] == 3
    assert found['rbd_imgdriver_cache_bytes',] == 4000
    assert found['rbd_imgdriver_cache_oldest_use_timestamp_seconds',] == 5.0
    assert found['rbd_imgdriver_flattens_waiting',] == 6

    assert found['rbd_imgdriver_failed_total', 'no-space'] == 1
    assert found['rbd_imgdriver_cache_events_total', 'hit'] == 1
    assert found['rbd_imgdriver_imports_in_flight',] == 1
    assert found['rbd_imgdriver_flatten_seconds_count',] == 1


def test_each_series_begins_at_zero(exporter):
    """Otherwise its first event is not an increase to Prometheus."""
    found = scrape(exporter)

    for code in errors.codes():
        assert found['rbd_imgdriver_failed_total', code] == 0
    for strategy in ('rbd-clone', 'import'):
        assert found['rbd_imgdriver_volumes_total', strategy] == 0
        assert found['rbd_imgdriver_declined_total', 'not-raw', strategy] == 0
    for action in ('hit', 'miss', 'evict'):
        assert found['rbd_imgdriver_cache_events_total', action] == 0
    assert found['rbd_imgdriver_sweeps_total', 'failed'] == 0
    assert found['rbd_imgdriver_last_success_timestamp_seconds',] == 0


def test_every_series_says_which_backend_and_which_version(exporter):
    port = exporter.listener.port
    with urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics') as got:
        lines = [line for line in got.read().decode().splitlines()
                 if not line.startswith('#')]

    assert [line for line in lines if 'backend="rbd"' not in line] == []
    version = metadata.version('rbd-imgdriver')
    assert any(f'rbd_imgdriver_build_info{{backend="rbd",version="{version}"'
               in line for line in lines)


def test_the_last_success_is_told(exporter):
    signals.send(signals.VolumeMade('import', (), 0, 1.0))

    answer = scrape(exporter)['rbd_imgdriver_last_success_timestamp_seconds',]
    assert answer == pytest.approx(time.time(), abs=60)


def test_a_port_that_is_taken_is_said():
    with socket.create_server(('127.0.0.1', 0)) as taken, \
            pytest.raises(metrics.Unavailable, match='cannot listen on'):
        metrics.Exporter('127.0.0.1', taken.getsockname()[1], 'rbd')


def test_after_the_end_nothing_is_heard(exporter):
    other = metrics.Exporter('127.0.0.1', 0, 'other')
    other.close()

    signals.send(signals.CacheEvent('hit'))

    assert scrape(exporter)['rbd_imgdriver_cache_events_total', 'hit'] == 1
