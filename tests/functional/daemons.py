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
"""What happens to the daemons of a test's cluster."""

from collections.abc import Iterator
import contextlib
import os
import signal

from sandbox import background


@contextlib.contextmanager
def paused(daemon: background.Daemon) -> Iterator[None]:
    """A daemon that does not answer, and whose connections stay."""
    pid = daemon.running().pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
