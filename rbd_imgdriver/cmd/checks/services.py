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
"""What else a backend talks to: coordination, database, Prometheus."""

from collections.abc import Callable
from collections.abc import Iterator
import ipaddress
import socket
import urllib.parse

from rbd_imgdriver.cmd.checks import findings
from rbd_imgdriver.cmd.checks import options
from rbd_imgdriver import errors

Finding = findings.Finding

_MEMBER = b'rbd-imgdriver-doctor'
# A volume that there cannot be: whether the database answers is asked.
NO_VOLUME = '00000000-0000-0000-0000-000000000000'
_METRICS = b'rbd_imgdriver_'
_SECONDS = 5
_RABBITMQ = 5672


def coordination(url: str) -> Iterator[Finding]:
    """Whether the coordination backend answers.

    What is on this host only makes its files when it is started, and is not.

    :param url: ``backend_url``, which may hold a password
    """
    from tooz import coordination as tooz_coordination
    scheme = urllib.parse.urlparse(url).scheme
    if scheme in options.LOCAL:
        return
    try:
        coordinator = tooz_coordination.get_coordinator(url, _MEMBER)
        coordinator.start()
        coordinator.stop()
    except Exception as error:  # each driver has libraries of its own
        yield Finding('coordination-unreachable', f'{scheme}://...',
                      hidden(f'{type(error).__name__}: {error}', url))


def notifications(backend: str, url: str) -> Iterator[Finding]:
    """Whether the message bus with Glance's notifications takes connections.

    One of its hosts has to.  More is not tried: oslo.messaging has no end of
    trying again.

    :param url: ``rbd_imgdriver_prefetch_transport_url``, with a password
    """
    from oslo_config import cfg
    import oslo_messaging
    try:
        oslo_messaging.get_notification_transport(cfg.CONF, url)
        hosts = [(one.hostname, one.port or _RABBITMQ) for one in
                 oslo_messaging.TransportURL.parse(cfg.CONF, url).hosts]
        reasons = [reason for host, port in hosts
                   if (reason := _refusal(host, port))]
    except Exception as error:  # of oslo.messaging and its drivers
        reasons = [f'{type(error).__name__}: {error}']
        hosts = []
    if reasons and len(reasons) >= len(hosts):
        yield Finding('notifications-unreachable', backend,
                      hidden('; '.join(reasons), url))


def _refusal(host: str, port: int) -> str:
    """Why nobody takes connections there; '' if somebody does."""
    try:
        socket.create_connection((host, port), _SECONDS).close()
    except OSError as error:
        return f'{host} port {port}: {error}'
    return ''


def hidden(text: str, url: str) -> str:
    """A text without the secrets of a URL."""
    parts = urllib.parse.urlparse(url)
    for secret in (url, parts.netloc, parts.query, parts.password):
        if secret and (secret != parts.netloc or '@' in secret):
            text = text.replace(secret, '***')
    return text


def database(status: Callable[[str], object]) -> Iterator[Finding]:
    """Whether Cinder's database answers.

    :param status: asks it for a volume's status
    """
    try:
        status(NO_VOLUME)
    except errors.ServiceError as error:
        yield Finding('database-unreachable', 'Cinder', str(error))
    else:
        yield Finding('database', 'Cinder', 'it can be read')


def metrics(backend: str, address: str, port: int) -> Iterator[Finding]:
    """Whether a backend's metrics can be opened, and to whom.

    A port in use is right if it is the backend's own, at work.
    """
    if not port:
        return
    if is_public(address):
        yield Finding('metrics-public', backend, f'address {address}')
    try:
        family, *_, where = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE)[0]
        socket.create_server(where[:2], family=family).close()
    except OSError as error:
        if not _is_ours(address, port):
            yield Finding('metrics-port-taken', backend,
                          f'{address} port {port}: {error}')


def is_public(address: str) -> bool:
    """Whether an address is open to every network of the host."""
    try:
        return ipaddress.ip_address(address).is_unspecified
    except ValueError:
        return False  # a host's name


def _is_ours(address: str, port: int) -> bool:
    """Whether what listens there are metrics of this driver."""
    to = 'localhost' if is_public(address) else address
    try:
        with socket.create_connection((to, port), _SECONDS) as connection:
            connection.settimeout(_SECONDS)
            connection.sendall(b'GET /metrics HTTP/1.0\r\n\r\n')
            answer = b''
            while len(answer) < 2**20 and _METRICS not in answer:
                more = connection.recv(65536)
                if not more:
                    break
                answer += more
    except OSError:
        return False
    return _METRICS in answer
