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

"""Sandboxes must not take each other's ports, nor forget their own."""

import json
import socket

import pytest

from sandbox import ports


def test_free_port_is_free_until_somebody_listens():
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        port = server.getsockname()[1]
        server.listen()
        assert not ports.is_free(port)
    assert ports.is_free(port)


def test_block_with_one_taken_port_is_passed_over():
    first = ports.choose(7, free=lambda port: True)
    second = ports.choose(7, free=lambda port: port != first['web'])

    assert second['mon'] == first['mon'] + ports.BLOCK
    assert set(first.values()).isdisjoint(second.values())


def test_search_wraps_around():
    last = ports.choose(ports.BLOCKS - 1, free=lambda port: True)
    assert last['mon'] == ports.FIRST + (ports.BLOCKS - 1) * ports.BLOCK
    assert max(last.values()) < 32768

    first = ports.choose(ports.BLOCKS - 1,
                         free=lambda port: port not in last.values())
    assert first['mon'] == ports.FIRST


def test_no_free_block():
    with pytest.raises(OSError, match='no block'):
        ports.choose(0, free=lambda port: False)


def test_names_fit_into_a_block():
    assert len(ports.NAMES) == len(set(ports.NAMES)) <= ports.BLOCK


def test_ports_are_remembered_although_they_are_taken_now(tmp_path):
    path = tmp_path / 'ports.json'
    path.write_text(json.dumps({'first': 1}))
    assert ports.remembered(path, 5)['mon'] == 1


def test_first_choice_is_written_down(tmp_path):
    path = tmp_path / 'ports.json'
    chosen = ports.remembered(path, 5)
    assert ports.remembered(path, 99) == chosen
