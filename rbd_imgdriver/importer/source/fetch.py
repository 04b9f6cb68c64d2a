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
"""An image's bytes from Glance, whole and in order."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
import time

from oslo_log import log as logging

from rbd_imgdriver import errors
from rbd_imgdriver import model

LOG = logging.getLogger(__name__)

# Passed on in pieces of this many bytes: what arrives from the network is
# too small to be worth a thread's while.  A multiple of RBD's object sizes
# or a part of them, so that no object is written twice.
BATCH = 4 * 1024 * 1024

# A source that sends less than this keeps a place in the queue for longer
# than it is worth: bytes a second, measured over this time of waiting.
LEAST_RATE = 128 * 1024
_WINDOW = 60.0


def download(image: model.Image, data: model.ImageData, retries: int,
             pause: Callable[[float], None] = time.sleep,
             clock: Callable[[], float] = time.monotonic) -> Iterator[bytes]:
    """The image's bytes; a download that breaks is taken up where it broke.

    :param retries: how often
    :param pause: waits for a number of seconds
    :param clock: seconds
    :raises errors.ImageGone: when Glance has it no longer
    :raises errors.ImageDamaged: when there are more bytes than Glance says
    :raises errors.SourceTooSlow: when it comes at less than the least rate
    :raises errors.DownloadFailed: when it broke once too often
    """
    received = 0
    pace = _Pace(image.id, clock)
    for attempt in range(retries + 1):
        try:
            for chunk in pace.kept(data.read(received)):
                received += len(chunk)
                _check_length(image, received)
                yield chunk
            if image.size is None or received == image.size:
                return
            raise errors.DownloadFailed(
                image.id, f'it ended after {received} of {image.size} bytes')
        except errors.SourceTooSlow:
            raise  # it would be no quicker the next time
        except errors.DownloadFailed as error:
            if attempt == retries:
                raise
            LOG.warning('Download of image %(image)s broke after '
                        '%(received)d bytes, taking it up again: %(error)s',
                        {'image': image.id, 'received': received,
                         'error': error})
        pause(2 ** attempt)


class _Pace:
    """Ends a download whose source is too slow.

    Only the time spent waiting for the source counts: where Ceph stands
    still, nothing is asked of it.
    """

    def __init__(self, image_id: str, clock: Callable[[], float]) -> None:
        self._image_id = image_id
        self._clock = clock
        self._waited = 0.0
        self._arrived = 0

    def kept(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The chunks, as long as they keep the pace.

        :raises errors.SourceTooSlow: when they do not
        """
        source = iter(chunks)
        while True:
            asked = self._clock()
            chunk = next(source, None)
            self._waited += self._clock() - asked
            if chunk is None:
                return
            self._arrived += len(chunk)
            if self._waited >= _WINDOW:
                self._check()
            yield chunk

    def _check(self) -> None:
        rate = self._arrived / self._waited
        if rate < LEAST_RATE:
            raise errors.SourceTooSlow(
                self._image_id, f'Glance sent {rate / 1024:.1f} KiB a second '
                f'for {self._waited:.0f} seconds; at least '
                f'{LEAST_RATE // 1024} are required. Copy the image to '
                'another store of Glance')
        self._waited, self._arrived = 0.0, 0


def batches(chunks: Iterable[bytes], size: int = BATCH) -> Iterator[bytes]:
    """The same bytes in pieces of ``size`` bytes; the last may be shorter."""
    parts: list[bytes] = []
    length = 0
    for chunk in chunks:
        parts.append(chunk)
        length += len(chunk)
        while length >= size:
            joined = b''.join(parts)
            yield joined[:size]
            parts = [joined[size:]]
            length -= size
    if length:
        yield b''.join(parts)


def _check_length(image: model.Image, received: int) -> None:
    if image.size is not None and received > image.size:
        raise errors.ImageDamaged(
            image.id, f'Glance sent more than the {image.size} bytes that it '
            'says the image has')
