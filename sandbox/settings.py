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

"""What a person may change about the sandbox, through the environment.

Nothing is remembered: each command takes its settings from the environment
it runs in.  A service that runs with other settings is restarted by ``up``.
"""

from __future__ import annotations

import dataclasses
import os

OUR_DRIVER = 'rbd_imgdriver.driver.RBDImageDriver'
STORES = 'cinder:cinder, file:file, rbd:rbd, web:http'
BACKENDS = ('img1', 'img2', 'intree')


@dataclasses.dataclass(frozen=True)
class Settings:
    """The knobs; the defaults are what ``make demo`` needs."""

    driver: str = OUR_DRIVER
    """SANDBOX_DRIVER: class of the backends img1 and img2."""

    backends: tuple[str, ...] = BACKENDS
    """SANDBOX_BACKENDS: which of the backends to enable, with commas between
    them.  The first is that of the default volume type.  One that is not
    among them by default is "null", whose volumes are nothing."""

    threading: str = 'eventlet'
    """SANDBOX_THREADING: "native" runs Cinder without eventlet."""

    stores: str = STORES
    """SANDBOX_GLANCE_STORES: Glance's enabled_backends, in alphabetical
    order.  Tempest's image tests want it without "cinder:cinder"."""

    nova: bool = False
    """SANDBOX_NOVA: "1" adds Nova and Placement, and a network service
    without networks."""

    notifications: str = 'noop'
    """SANDBOX_NOTIFICATIONS: Cinder's notification driver, for example
    "messagingv2"."""

    volume_hosts: int = 1
    """SANDBOX_VOLUME_HOSTS: how many cinder-volume services; more than one
    work as one Cinder cluster (active/active)."""

    osds: int = 1
    """SANDBOX_OSDS: how many object stores a new Ceph cluster gets."""

    @classmethod
    def from_environ(cls) -> Settings:
        """The settings of this process's environment."""
        defaults = cls()
        return cls(
            driver=os.environ.get('SANDBOX_DRIVER', defaults.driver),
            backends=tuple(os.environ.get(
                'SANDBOX_BACKENDS', ','.join(BACKENDS)).split(',')),
            threading=os.environ.get('SANDBOX_THREADING',
                                     defaults.threading),
            stores=os.environ.get('SANDBOX_GLANCE_STORES', defaults.stores),
            nova=os.environ.get('SANDBOX_NOVA', '') not in ('', '0'),
            notifications=os.environ.get('SANDBOX_NOTIFICATIONS',
                                         defaults.notifications),
            volume_hosts=int(os.environ.get('SANDBOX_VOLUME_HOSTS',
                                            defaults.volume_hosts)),
            osds=int(os.environ.get('SANDBOX_OSDS', defaults.osds)))

    @property
    def native_threads(self) -> bool:
        """Whether Cinder runs without eventlet."""
        return self.threading == 'native'
