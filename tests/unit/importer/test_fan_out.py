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

"""A file that consumers read while it is written."""

from collections.abc import Iterator
import pathlib
import threading

import pytest

from rbd_imgdriver.importer import fan_out
from rbd_imgdriver.importer import spool

CHUNKS = [bytes([number]) * (1000 + number) for number in range(50)]
PATIENCE = 30  # seconds


@pytest.fixture
def file(tmp_path: pathlib.Path) -> Iterator[spool.Spool]:
    with (tmp_path / 'spool').open('wb+', buffering=0) as opened:
        yield spool.Spool('id', str(tmp_path), opened.fileno(), 1 << 20, 1)


def never() -> None:
    raise AssertionError('nobody was to be waited for')


def test_every_hand_gets_what_the_file_has(file, tmp_path):
    seen: list[bytes] = []
    also: list[bytes] = []

    with fan_out.following(file, [seen.append, also.append]) as followed:
        for chunk in CHUNKS:
            followed.write(chunk)
        followed.finish(lambda: None)

    assert (tmp_path / 'spool').read_bytes() == b''.join(CHUNKS)
    assert seen == also == CHUNKS


def test_a_slow_hand_holds_nobody_up(file):
    go_on = threading.Event()
    seen: list[bytes] = []

    def consumer(chunk: bytes) -> None:
        assert go_on.wait(PATIENCE)
        seen.append(chunk)

    with fan_out.following(file, [consumer]) as followed:
        for chunk in CHUNKS:
            followed.write(chunk)
        assert not seen
        # It calls the waiting side, now and then.
        followed.finish(go_on.set)

    assert seen == CHUNKS


def test_no_hands(file, tmp_path):
    with fan_out.following(file, []) as followed:
        followed.write(b'data')
        followed.finish(never)

    assert (tmp_path / 'spool').read_bytes() == b'data'


def test_the_error_of_a_hand(file):
    def consumer(_chunk: bytes) -> None:
        raise ValueError('no')

    with fan_out.following(file, [consumer]) as followed, \
            pytest.raises(ValueError, match='no'):
        followed.write(b'data')
        followed.finish(lambda: None)


def test_whoever_waits_may_give_up(file):
    go_on = threading.Event()

    def consumer(_chunk: bytes) -> None:
        assert go_on.wait(PATIENCE)

    def give_up() -> None:
        go_on.set()
        raise KeyError('enough')

    with pytest.raises(KeyError, match='enough'), \
            fan_out.following(file, [consumer]) as followed:
        followed.write(b'data')
        followed.finish(give_up)
