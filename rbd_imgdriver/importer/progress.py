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
"""How far an import is: for the log, the image's metadata and the caller."""

from collections.abc import Callable
import time

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

EVERY = 5.0  # seconds between two reports

_MIB = 1024 * 1024

Listener = Callable[[int, int], None]


def describe(phase: str, done: int, total: int, seconds: float) -> str:
    """For people: the phase, percent, rate and time left.

    :param done: bytes
    :param total: bytes; 0 when unknown
    :param seconds: since the phase began
    """
    parts = [f'{phase} {done / _MIB:.0f} MiB']
    if total:
        parts = [f'{phase} {100 * done // total}% of {total / _MIB:.0f} MiB']
    if done and seconds > 0:
        rate = done / seconds
        parts.append(f'{rate / _MIB:.0f} MiB/s')
        if total:
            parts.append(f'{max(total - done, 0) / rate:.0f} s left')
    return ', '.join(parts)


class Reporter:
    """Reports how far one import is, every few seconds.

    :param subject: of the log lines
    :param listener: called with (done, total), in bytes, at every step
    :param note: given the description, to write it where others see it
    :param clock: seconds
    """

    def __init__(self, subject: str, listener: Listener,
                 note: Callable[[str], None],
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._subject = subject
        self._listener = listener
        self._note = note
        self._clock = clock
        self._reported = clock()
        self._began = self._reported
        self._phase = 'waiting'
        self._done = 0
        self._total = 0

    def begin(self, phase: str, total: int | None) -> None:
        """Start a phase.

        :param total: bytes to do, if known
        """
        self._phase = phase
        self._began = self._clock()
        self._done = 0
        self._total = total or 0

    def advance(self, done: int) -> None:
        """So many bytes of the phase are done."""
        self._done = done
        self.alive()

    def alive(self) -> None:
        """Nothing new, but the import goes on."""
        self._listener(self._done, self._total)
        now = self._clock()
        if now - self._reported < EVERY:
            return
        self._reported = now
        text = describe(self._phase, self._done, self._total,
                        now - self._began)
        LOG.info('%(subject)s: %(text)s',
                 {'subject': self._subject, 'text': text})
        self._note(text)
