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

"""A volume driver whose volumes are nothing, at no cost.

What Cinder itself takes to create volumes is the limit for any driver; this
one shows it.
"""

from typing import Any

from cinder import interface
from cinder.volume import driver


@interface.volumedriver
class NullDriver(driver.VolumeDriver):
    """Creates nothing, from whatever it is asked to; see the module."""

    VERSION = '1.0.0'
    SUPPORTS_ACTIVE_ACTIVE = True

    def do_setup(self, context: Any) -> None:
        """Nothing is needed."""

    def check_for_setup_error(self) -> None:
        """Nothing can be missing."""

    def _update_volume_stats(self) -> None:
        self._stats = {
            'volume_backend_name': self.configuration.volume_backend_name,
            'vendor_name': 'nobody', 'driver_version': self.VERSION,
            'storage_protocol': 'none', 'total_capacity_gb': 'infinite',
            'free_capacity_gb': 'infinite', 'reserved_percentage': 0,
            'thin_provisioning_support': True, 'max_over_subscription_ratio':
            1.0, 'provisioned_capacity_gb': 0, 'multiattach': False}

    def create_volume(self, volume: Any) -> None:
        """A blank volume."""

    def clone_image(self, context: Any, volume: Any, image_location: Any,
                    image_meta: Any, image_service: Any,
                    ) -> tuple[dict[str, Any], bool]:
        """A volume of an image: as if there were a clone of it now."""
        return {}, True

    def delete_volume(self, volume: Any) -> None:
        """There was nothing."""

    def create_export(self, context: Any, volume: Any,
                      connector: Any) -> None:
        """Nobody can attach it."""

    def ensure_export(self, context: Any, volume: Any) -> None:
        """Nobody has it attached."""

    def remove_export(self, context: Any, volume: Any) -> None:
        """Nobody had it attached."""
