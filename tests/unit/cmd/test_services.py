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
"""What else a backend talks to."""

import contextlib
import socket

import pytest

from rbd_imgdriver.cmd.checks import services
from rbd_imgdriver import errors
from rbd_imgdriver import metrics_listener


def codes(found) -> list[str]:
    return [one.code for one in found]


@pytest.fixture
def port():
    """A port at which nobody listens."""
    with socket.create_server(('127.0.0.1', 0)) as taken:
        return taken.getsockname()[1]


@contextlib.contextmanager
def serving(text: bytes):
    listener = metrics_listener.Listener('127.0.0.1', 0, 'text/plain',
                                         lambda: text)
    try:
        yield listener.port
    finally:
        listener.close()


def test_a_free_port_is_not_mentioned(port):
    assert codes(services.metrics('a', '127.0.0.1', port)) == []
    assert codes(services.metrics('a', '127.0.0.1', 0)) == []


@pytest.mark.parametrize(('text', 'found'), [
    (b'# HELP rbd_imgdriver_sweeps\n', []),
    (b'# HELP ceph_health_status\n', ['metrics-port-taken']),
    (b'', ['metrics-port-taken'])])
def test_a_port_may_be_taken_by_the_backend_itself(text, found):
    with serving(text) as taken:
        assert codes(services.metrics('a', '127.0.0.1', taken)) == found


@pytest.mark.parametrize(('address', 'public'), [
    ('0.0.0.0', True), ('::', True), ('127.0.0.1', False),
    ('10.1.2.3', False), ('host.example', False)])
def test_who_may_read_metrics(address, public):
    assert services.is_public(address) is public


def test_metrics_for_everybody_are_mentioned(port):
    assert codes(services.metrics('a', '0.0.0.0', port)) == ['metrics-public']


@pytest.mark.parametrize('url', [
    'rabbit://user:pass@127.0.0.1:{port}/',
    'rabbit://user:pass@127.0.0.1:{port},user:pass@127.0.0.1:{port}/',
    'nonesuch://user:pass@127.0.0.1:{port}/',
    'not a url: pass'])
def test_a_bus_with_notifications_that_does_not_answer(url, port):
    (found,) = services.notifications('a', url.format(port=port))

    assert found.code == 'notifications-unreachable'
    assert 'pass' not in str(found)


def test_one_host_of_a_bus_is_enough(port):
    with socket.create_server(('127.0.0.1', 0)) as server:
        up = server.getsockname()[1]
        assert codes(services.notifications(
            'a', f'rabbit://u:p@127.0.0.1:{port},u:p@127.0.0.1:{up}/')) == []


@pytest.mark.parametrize('url', [
    'etcd3+http://user:pass@127.0.0.1:{port}',
    'redis://:pass@127.0.0.1:{port}?token=pass',
    'nonesuch://:pass@127.0.0.1:{port}'])
def test_a_coordination_backend_that_does_not_answer(url, port):
    (found,) = services.coordination(url.format(port=port))

    assert found.code == 'coordination-unreachable'
    assert 'pass' not in str(found)


@pytest.mark.parametrize('url', ['file:///nonexistent', 'ipc://', 'zake://'])
def test_what_is_on_this_host_only_is_not_started(url):
    assert codes(services.coordination(url)) == []


def test_secrets_of_a_url_are_hidden():
    url = 'redis://user:secret@host:1?password=other'

    said = services.hidden(f'cannot reach {url}: secret, password=other', url)

    assert 'secret' not in said
    assert 'other' not in said


def test_whether_the_database_answers():
    def fails(volume_id: str) -> None:
        raise errors.ServiceError('no database')

    assert codes(services.database(fails)) == ['database-unreachable']
    assert codes(services.database(lambda volume_id: None)) == ['database']
