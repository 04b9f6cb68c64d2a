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
"""Glance's notifications: that an image is there, or is another one now."""

from collections.abc import Callable
import threading
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging
import oslo_messaging

from rbd_imgdriver import blocking

LOG = logging.getLogger(__name__)

# Where Glance sends (glance/notifier.py, set_defaults), and what matters:
# that data is there, and that properties or tags were changed.
_EXCHANGE, _TOPIC = 'glance', 'notifications'
_EVENTS = r'^image\.(activate|upload|update)$'


def listen(url: str, consumer: str, heard: Callable[[], None]) -> None:
    """Call when Glance says that something about images has changed.

    It connects in a thread of its own: oslo.messaging tries for ever, and a
    bus that is down must not keep a backend from coming up.

    :param url: of the message bus
    :param consumer: of the notifications; each gets all of them, whoever
        else reads them
    :param heard: called for each, in a thread of oslo.messaging
    """
    threading.Thread(target=_connect, args=(url, consumer, heard),
                     daemon=True).start()


def _connect(url: str, consumer: str, heard: Callable[[], None]) -> None:
    try:
        oslo_messaging.get_notification_listener(
            oslo_messaging.get_notification_transport(cfg.CONF, url),
            [oslo_messaging.Target(topic=_TOPIC, exchange=_EXCHANGE)],
            [_Endpoint(heard)], pool=consumer,
            executor='eventlet' if blocking.green() else 'threading').start()
    except Exception as error:  # of oslo.messaging and its drivers
        # Not the error itself: it may have the URL, with a password.
        LOG.error("Glance's notifications cannot be read, so Glance is only "
                  'asked for marked images at intervals: %s',
                  type(error).__name__)
        return
    LOG.info("Listening to Glance's notifications as %s", consumer)


class _Endpoint:
    """What oslo.messaging calls."""

    filter_rule = oslo_messaging.NotificationFilter(event_type=_EVENTS)

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard

    def info(self, _context: Any, _publisher: str, event: str,
             payload: dict[str, Any], _metadata: Any) -> None:
        """A notification; what it says is not relied on, Glance is asked."""
        LOG.debug('Glance says %(event)s of image %(image)s',
                  {'event': event, 'image': payload.get('id')})
        self._heard()
