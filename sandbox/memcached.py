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

"""memcached: where Keystone and the token checks keep what they know."""

from __future__ import annotations

from sandbox import background
from sandbox import parts
from sandbox import polling
from sandbox import steps


class Memcached(parts.Part):
    """A small memcached."""

    def steps(self) -> list[steps.Step]:
        return [steps.Step('memcached', self.start, after=('packages',))]

    def daemons(self) -> list[background.Daemon]:
        port = self.sandbox.ports['memcached']
        return [self.sandbox.daemon(
            'memcached', ['memcached', '-u', 'root', '-l', '127.0.0.1',
                          '-p', str(port), '-m', '64'],
            lambda daemon: polling.tcp_answers(port))]
