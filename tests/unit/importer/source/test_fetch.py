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

"""Downloads that break, and what they are cut into."""

from collections.abc import Iterator

import hypothesis
from hypothesis import strategies as st
import pytest

from rbd_imgdriver import errors
from rbd_imgdriver.importer.source import fetch
from rbd_imgdriver import model

DATA = bytes(range(256)) * 4


class Breaking:
    """Data that breaks off at some offsets, each time once."""

    def __init__(self, *breaks: int, data: bytes = DATA) -> None:
        self.breaks = list(breaks)
        self.data = data
        self.asked: list[int] = []

    def verifier(self) -> None:
        return None

    def read(self, offset: int = 0) -> Iterator[bytes]:
        self.asked.append(offset)
        end = self.breaks.pop(0) if self.breaks else None
        for at in range(offset, len(self.data[:end]), 100):
            yield self.data[at:min(at + 100, end or len(self.data))]
        if end is not None:
            raise errors.DownloadFailed('id', 'the line broke')


def image(size: int | None = len(DATA)) -> model.Image:
    return model.Image(id='id', size=size)


def download(data, retries=2, size: int | None = len(DATA)):
    pauses: list[float] = []
    return b''.join(fetch.download(image(size), data, retries,
                                   pauses.append)), pauses


def test_a_whole_download():
    data = Breaking()

    assert download(data) == (DATA, [])
    assert data.asked == [0]


def test_it_is_taken_up_where_it_broke():
    data = Breaking(250, 700)

    assert download(data) == (DATA, [1, 2])
    assert data.asked == [0, 250, 700]


def test_it_breaks_once_too_often():
    data = Breaking(1, 2, 3)

    with pytest.raises(errors.DownloadFailed, match='the line broke'):
        download(data)

    assert data.asked == [0, 1, 2]


def test_an_end_that_comes_too_early_is_a_break():
    with pytest.raises(errors.DownloadFailed,
                       match=f'ended after {len(DATA)} of 2000 bytes'):
        download(Breaking(), size=2000, retries=1)


def test_more_bytes_than_the_image_has():
    with pytest.raises(errors.ImageDamaged, match='more than the 1000'):
        download(Breaking(), size=1000)


def test_no_size_known():
    assert download(Breaking(300), size=None) == (DATA, [1])


def test_what_is_gone_is_not_asked_for_again():
    class Gone(Breaking):
        def read(self, offset: int = 0) -> Iterator[bytes]:
            self.asked.append(offset)
            raise errors.ImageGone('id', 'deleted')
            yield b''

    data = Gone()
    with pytest.raises(errors.ImageGone):
        download(data)

    assert data.asked == [0]


class Slow(Breaking):
    """Sends a piece every so many seconds of a clock that it moves itself."""

    def __init__(self, piece: int, every: float, pieces: int) -> None:
        super().__init__(data=bytes(piece * pieces))
        self.now = 0.0
        self._piece, self._every = piece, every

    def clock(self) -> float:
        return self.now

    def read(self, offset: int = 0) -> Iterator[bytes]:
        self.asked.append(offset)
        for at in range(offset, len(self.data), self._piece):
            self.now += self._every
            yield self.data[at:at + self._piece]


def paced(data: Slow) -> Iterator[bytes]:
    return fetch.download(image(len(data.data)), data, 2, clock=data.clock)


def test_a_source_that_drips_is_given_up_at_once():
    data = Slow(piece=1, every=1.0, pieces=1000)

    with pytest.raises(errors.SourceTooSlow, match='0.0 KiB a second'):
        list(paced(data))

    assert data.now < 120
    assert data.asked == [0]  # it would be no quicker the next time


def test_a_slow_source_is_good_enough():
    data = Slow(piece=fetch.LEAST_RATE * 4, every=3.0, pieces=100)

    assert b''.join(paced(data)) == data.data


def test_a_source_is_not_blamed_for_who_takes_the_data():
    data = Slow(piece=1000, every=0.0, pieces=100)

    for _ in paced(data):
        data.now += 60.0


@hypothesis.given(st.lists(st.binary(max_size=50), max_size=30),
                  st.integers(1, 40))
def test_batches(chunks, size):
    found = list(fetch.batches(chunks, size))

    assert b''.join(found) == b''.join(chunks)
    assert all(len(one) == size for one in found[:-1])
    assert all(0 < len(one) <= size for one in found[-1:])
