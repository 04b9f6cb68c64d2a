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
"""The part of the driver that fetches images ahead of their first use."""

from collections.abc import Callable
from typing import Any

from cinder import context
from cinder import exception
from oslo_log import log as logging

from rbd_imgdriver import backend
from rbd_imgdriver import blocking
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver import errors
from rbd_imgdriver.openstack import image_events
from rbd_imgdriver.openstack import notifications
from rbd_imgdriver.openstack import service_glance
from rbd_imgdriver.openstack import settings

LOG = logging.getLogger(__name__)


class PrefetchMixin:
    """Looks for marked images now and then, and when Glance says so."""

    configuration: Any
    host: str
    _every: Callable[[float, Callable[[], None]], None]
    _due = True

    @property
    def _backend(self) -> backend.Backend:
        raise NotImplementedError

    def _check_marks(self) -> None:
        """Refuse marks that are none when the service starts."""
        try:
            settings.prefetch_rules(self.configuration)
        except ValueError as error:
            raise exception.InvalidConfigurationValue(
                option='rbd_imgdriver_prefetch', value=str(error)) from error

    def _start_prefetching(self) -> None:
        if self._backend.prefetcher is None:
            return
        # Two look at once if a notification comes meanwhile; the lease of an
        # import lets one work, and _working spares the other its requests.
        self._working = blocking.native_threading.Lock()
        self._every(self.configuration.rbd_imgdriver_prefetch_interval,
                    self._prefetch)
        url = self.configuration.rbd_imgdriver_prefetch_transport_url
        if url:
            image_events.listen(url, f'rbd-imgdriver.{self.host}',
                                self._prefetch)

    def _prefetch(self) -> None:
        """Fetch what is marked; never stops the loop."""
        self._due = True
        # Whoever works looks again, also for what comes as it ends.
        while self._due and self._working.acquire(blocking=False):
            try:
                self._due = False
                self._look_for_marked()
            finally:
                self._working.release()

    def _look_for_marked(self) -> None:
        prefetcher = self._backend.prefetcher
        if prefetcher is None:
            return
        try:
            prefetcher.run(
                service_glance.ServiceGlance(), notifications.CinderEvents(
                    context.get_admin_context(), self.host))
        except (ceph_errors.CephError, errors.ServiceError) as error:
            LOG.warning('Images could not be fetched ahead of their first '
                        'use: %s', error)
