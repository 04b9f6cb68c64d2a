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
"""The stand-in for Glance, asked over HTTP."""

import urllib.error
import urllib.request

import pytest

from bench import glance


@pytest.fixture
def served(tmp_path):
    path = tmp_path / 'image'
    path.write_bytes(b'0123456789')
    stand_in = glance.Glance()
    stand_in.add({'id': 'known', 'size': 10}, glance.FileStore(path))
    with stand_in.running():
        yield stand_in


def get(served, path, **headers):
    # Whatever proxy the environment names is not for the loopback.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(served.url + path, headers=headers)
    with direct.open(request, timeout=10) as response:
        return response.status, response.read()


def test_data_is_served_and_counted(served):
    assert get(served, '/v2/images/known/file') == (200, b'0123456789')
    assert served.downloads == 1


def test_a_download_can_begin_in_the_middle(served):
    answer = get(served, '/v2/images/known/file', Range='bytes=7-')

    assert answer == (206, b'789')


def test_facts_do_not_count_as_a_download(served):
    status, body = get(served, '/v2/images/known')

    assert (status, b'"size": 10' in body) == (200, True)
    assert served.downloads == 0


def test_an_unknown_image_is_not_found(served):
    with pytest.raises(urllib.error.HTTPError, match='404'):
        get(served, '/v2/images/unknown/file')
