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
"""What a create and a flatten report: notifications and metrics."""

import socket
import urllib.request

from cinder import rpc
from oslo_config import cfg
from oslo_messaging.notify import _impl_test
import pytest

from tests.functional import host

CONF = cfg.CONF


@pytest.fixture
def notifications():
    """The notifications that go out: (event, payload)."""
    CONF.set_override('driver', ['test'],
                      group='oslo_messaging_notifications')
    rpc.cleanup()
    rpc.init(CONF)
    _impl_test.reset()
    yield lambda: [(message['event_type'], message['payload'])
                   for _, message, *_ in _impl_test.NOTIFICATIONS]
    CONF.clear_override('driver', group='oslo_messaging_notifications')
    rpc.cleanup()
    rpc.init(CONF)


def test_a_create_is_notified(caching, create, disk, qcow2, notifications):
    meta = host.image_meta(qcow2, 'qcow2')

    volume, _, done = create(caching, meta,
                             service=host.ImageService(qcow2))

    assert done
    sent = dict(notifications())
    payload = sent['rbd_imgdriver.volume_from_image']
    assert payload['volume_id'] == volume.id
    assert payload['image_id'] == meta['id']
    assert payload['strategy'] == 'import'
    assert [one['code'] for one in payload['declined']] == [
        'not-raw', 'not-allowed', 'not-cached']
    assert payload['bytes_moved'] > 0
    assert payload['seconds'] > 0
    assert 'image_volume_cache.miss' in sent


def test_a_flatten_is_notified(cluster, pool, disk, create, notifications):
    driver = host.make(cluster, 'volumes', rbd_max_clone_depth=1)
    meta = host.image_meta(disk, 'raw')
    source, _, _ = create(driver, meta, service=host.ImageService(disk))
    first, second = host.volume(), host.volume()
    driver.create_cloned_volume(first, source)
    driver.create_cloned_volume(second, first)

    for volume in (first, second):
        assert driver._backend.chains.flattener.settle(
            driver._backend.pool, volume.name, 60)

    # Drivers of earlier tests are in this process, too, and hear it.
    flattened = [payload for event, payload in notifications()
                 if event == 'rbd_imgdriver.flatten'
                 and payload['host'] == driver.host]
    assert [one['pool'] for one in flattened] == ['volumes']
    assert flattened[0]['rbd_id'] == (
        driver._backend.pool.directory.id(first.name))


def test_metrics_of_a_backend(cluster, pool, disk, create):
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    driver = host.make(cluster, 'volumes', rbd_imgdriver_metrics_port=port,
                       image_volume_cache_enabled=True)
    try:
        create(driver, host.image_meta(disk, 'raw'),
               service=host.ImageService(disk))
        driver.get_volume_stats(refresh=True)
        url = f'http://127.0.0.1:{port}/metrics'
        with urllib.request.urlopen(url) as answer:
            text = answer.read().decode()
    finally:
        driver._exporter.close()

    backend = driver.configuration.config_group
    labels = f'backend="{backend}"'
    assert (f'rbd_imgdriver_volumes_total{{{labels},strategy="import"}} 1.0'
            in text)
    assert f'rbd_imgdriver_imports_in_flight{{{labels}}} 0.0' in text
    assert f'rbd_imgdriver_cache_entries{{{labels}}} 1.0' in text


def test_without_a_port_nothing_listens(cluster, pool):
    assert host.make(cluster, 'volumes')._exporter is None
