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

"""What the cloud is made of."""

from __future__ import annotations

import abc

from sandbox import background
from sandbox import context
from sandbox import steps


class Part(abc.ABC):
    """One piece of the cloud: how it is configured, what it runs.

    :param sandbox: the sandbox it belongs to
    """

    def __init__(self, sandbox: context.Context) -> None:
        self.sandbox = sandbox

    @abc.abstractmethod
    def steps(self) -> list[steps.Step]:
        """What brings it up, and after which other steps."""

    @abc.abstractmethod
    def daemons(self) -> list[background.Daemon]:
        """Its background processes in the order in which they start."""

    def configure(self) -> None:
        """Write its configuration files, as the settings are now."""
        return

    def start(self) -> None:
        """Start what does not run as configured; wait until it is ready."""
        self.configure()
        for daemon in self.daemons():
            daemon.ensure()
