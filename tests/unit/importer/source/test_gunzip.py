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

"""gzip streams, whole and broken, in pieces of any size."""

import gzip

import hypothesis
from hypothesis import strategies as st
import pytest

from rbd_imgdriver import errors
from rbd_imgdriver.importer.source import gunzip

DATA = b'some data, and again some data ' * 5000
PACKED = gzip.compress(DATA, mtime=0)


def unpack(data: bytes, step: int = 1000) -> bytes:
    parts = (data[at:at + step] for at in range(0, len(data), step))
    return b''.join(gunzip.unpacked('id', parts))


@hypothesis.given(st.binary(max_size=3000), st.integers(1, 200))
def test_what_was_packed(data, step):
    assert unpack(gzip.compress(data), step) == data


def test_several_members():
    assert unpack(PACKED + gzip.compress(b'more')) == DATA + b'more'


def test_padding():
    assert unpack(PACKED + bytes(100)) == DATA


def test_a_bomb_comes_out_piece_by_piece():
    zeros = bytes(64 * 2**20)
    pieces = [len(one) for one in gunzip.unpacked('id',
                                                  [gzip.compress(zeros)])]

    assert sum(pieces) == len(zeros)
    assert max(pieces) <= 4 * 2**20


def test_members_of_bgzip():
    """Blocks of 64 KiB and an empty one at the end."""
    block = DATA[:65536]

    packed = gzip.compress(block) * 3000 + gzip.compress(b'')

    assert unpack(packed, 100_000) == block * 3000


@pytest.mark.parametrize('inside', [b'', b'x'])
def test_members_that_hold_next_to_nothing(inside):
    packed = gzip.compress(inside) * 100_000

    with pytest.raises(errors.ImageUnsafe, match='members'):
        unpack(packed, len(packed))


@pytest.mark.parametrize('data', [b'', b'\x1f', PACKED[:-1], PACKED[:50]],
                         ids=len)
def test_too_short(data):
    with pytest.raises(errors.ImageDamaged, match='too early'):
        unpack(data)


@pytest.mark.parametrize('data', [b'QFI\xfb rest', b'no gzip at all'])
def test_no_gzip(data):
    with pytest.raises(errors.ImageUnsafe, match='gzip'):
        unpack(data)


@pytest.mark.parametrize('data', [
    PACKED[:100] + b'\0\0\0\0' + PACKED[104:], PACKED + b'garbage',
    PACKED[:-8] + bytes(8)])
def test_damaged(data):
    with pytest.raises(errors.ImageDamaged):
        unpack(data)
