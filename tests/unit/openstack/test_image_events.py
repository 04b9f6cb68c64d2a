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
"""Glance's notifications, by oslo.messaging's own bus in memory."""

import logging
import socket
import threading

from oslo_config import cfg
import oslo_messaging
import pytest

from rbd_imgdriver.openstack import image_events
from sandbox import polling

BUS = 'fake://'


@pytest.fixture
def notify():
    """Sends as Glance does (glance/notifier.py)."""
    conf = cfg.ConfigOpts()
    oslo_messaging.get_notification_transport(conf, BUS)  # knows the option
    conf.set_override('control_exchange', 'glance')
    transport = oslo_messaging.get_notification_transport(conf, BUS)
    notifier = oslo_messaging.Notifier(
        transport, 'image.host', driver='messaging', topics=['notifications'])

    def send(event: str, image: str = '') -> None:
        notifier.info({}, event, {'id': image})

    return send


class Counter:
    """Counts what a consumer hears."""

    def __init__(self, consumer: str) -> None:
        self.count = 0
        image_events.listen(BUS, consumer, self._heard)

    def _heard(self) -> None:
        self.count += 1

    def await_first(self, send) -> None:
        """Send until it is heard: before it listens nobody keeps it."""
        def is_heard() -> bool:
            send()
            return self.count > 0

        assert polling.wait_until(is_heard, 60)


@pytest.mark.parametrize('event', ['image.upload', 'image.activate',
                                   'image.update'])
def test_an_image_is_there_or_another_one(notify, event):
    counter = Counter(f'host@{event}')

    counter.await_first(lambda: notify(event))


def test_every_consumer_hears_all(notify):
    one, other = Counter('host-1@ceph'), Counter('host-2@ceph')
    one.await_first(lambda: notify('image.activate'))
    other.await_first(lambda: notify('image.activate'))
    before = one.count, other.count

    notify('image.activate')

    assert polling.wait_until(
        lambda: one.count > before[0] and other.count > before[1], 60)


def test_what_makes_no_image_is_not_heard(notify, caplog):
    caplog.set_level(logging.DEBUG)
    counter = Counter('host@other')
    counter.await_first(lambda: notify('image.activate', 'first'))

    for event in ('image.delete', 'image.create', 'task.run'):
        notify(event, 'other')
    notify('image.activate', 'last')

    assert polling.wait_until(lambda: 'of image last' in caplog.text, 60)
    assert 'of image other' not in caplog.text


def test_a_bus_that_is_down_keeps_nothing_from_starting():
    """It was a cinder-volume whose backend never came up."""
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))  # and does not listen
        port = taken.getsockname()[1]
        ended = threading.Event()

        def start() -> None:
            image_events.listen(
                f'rabbit://glance:secret@127.0.0.1:{port}/', 'host@ceph',
                lambda: None)
            ended.set()

        threading.Thread(target=start, daemon=True).start()
        assert ended.wait(60)


def test_a_bus_that_is_none_is_said_without_its_password(caplog):
    caplog.set_level(logging.ERROR)

    image_events.listen('nonesuch://glance:secret@host/', 'host@ceph',
                          lambda: None)

    assert polling.wait_until(
        lambda: 'notifications cannot be read' in caplog.text, 60)
    assert 'secret' not in caplog.text
