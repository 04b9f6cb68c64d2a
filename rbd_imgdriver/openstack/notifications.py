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
"""Sends the notifications of volumes from images, the cache and flattening."""

from typing import Any

from cinder import context
from cinder import rpc
from cinder import utils
from oslo_config import cfg

from rbd_imgdriver import provision
from rbd_imgdriver import signals

CONF = cfg.CONF


class CinderEvents:
    """Sends Cinder's notifications of its image-volume cache for ours.

    Names and payload are those of cinder/image/cache.py.

    :param backend_host: ``host@backend`` of the volume
    """

    def __init__(self, context: Any, backend_host: str) -> None:
        self._context = context
        self._host = backend_host

    def cache(self, action: str, image_id: str) -> None:
        """See :meth:`rbd_imgdriver.model.Events.cache`."""
        signals.send(signals.CacheEvent(action))
        self._send(f'image_volume_cache.{action}',
                   {'image_id': image_id, 'host': self._host})

    def _send(self, event: str, payload: dict[str, Any]) -> None:
        _notify(self._context, event, payload)


@utils.if_notifications_enabled
def _notify(context: Any, event: str, payload: dict[str, Any]) -> None:
    rpc.get_notifier('volume', CONF.host).info(context, event, payload)


def notify_made(context: Any, volume: Any, image_id: str,
                outcome: provision.Outcome) -> None:
    """Send the notification ``rbd_imgdriver.volume_from_image``.

    :param outcome: how the create went
    """
    _notify(context, 'rbd_imgdriver.volume_from_image', {
        'volume_id': str(volume.id), 'image_id': image_id,
        'host': volume.host, 'strategy': outcome.strategy,
        'declined': [{'strategy': name, 'code': answer.code,
                      'reason': answer.reason}
                     for name, answer in outcome.declined],
        'bytes_moved': outcome.bytes_moved, 'seconds': outcome.seconds})


def notify_flattened(backend_host: str, signal: signals.Flattened) -> None:
    """Send the notification ``rbd_imgdriver.flatten``.

    :param backend_host: ``host@backend``
    """
    _notify(context.get_admin_context(), 'rbd_imgdriver.flatten', {
        'host': backend_host, 'pool': signal.pool,
        'rbd_id': signal.image_id, 'seconds': signal.seconds})
