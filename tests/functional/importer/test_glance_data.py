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
"""Glance's bytes and signatures, over real HTTP with Cinder's client."""

from collections.abc import Iterator
import contextlib
import dataclasses
import http.server
import json
import threading

from cinder import context
from cinder.image import glance
from oslo_config import cfg
import pytest

from rbd_imgdriver import errors
from rbd_imgdriver.importer.source import fetch
from rbd_imgdriver import model
from rbd_imgdriver.openstack import glance_data
from tests.functional import signing

CONF = cfg.CONF
ID = '5d3a9d0c-4c8b-4b8e-9f0c-1d4c0a5a8f11'
MIB = 2**20  # what Glance's client reads at once
DATA = bytes(range(256)) * (4 * MIB // 256)


@dataclasses.dataclass
class Server:
    """What it serves, and how badly.

    :param breaks: bytes after which each of the next answers breaks off
    :param ranges: whether it knows range requests; None: it refuses them,
        as Glance does for a store that cannot begin in the middle
    :param status: of the next answer, if not a good one
    """

    image: dict
    breaks: list[int] = dataclasses.field(default_factory=list)
    ranges: bool | None = True
    status: int = 200
    asked: list[str | None] = dataclasses.field(default_factory=list)


class _Handler(http.server.BaseHTTPRequestHandler):
    server_version = 'Glance'
    glance: Server

    def do_GET(self) -> None:
        if self.glance.status != 200:
            self.send_error(self.glance.status)
        elif self.path.endswith('/file'):
            self._file()
        elif '/schemas/' in self.path:
            self._answer(200, json.dumps({'name': 'image', 'properties': {}}
                                         ).encode(), 'application/json')
        else:
            self._answer(200, json.dumps(self.glance.image).encode(),
                         'application/json')

    def _file(self) -> None:
        asked = self.headers.get('Range')
        self.glance.asked.append(asked)
        if asked and self.glance.ranges is None:
            self.send_error(400)
            return
        start = 0
        if asked and self.glance.ranges:
            start = int(asked.removeprefix('bytes=').rstrip('-'))
        end = len(DATA)
        if self.glance.breaks:
            end = self.glance.breaks.pop(0)
        self._answer(206 if start else 200, DATA[start:],
                     'application/octet-stream', max(end - start, 0))

    def _answer(self, status: int, data: bytes, kind: str,
                sent: int | None = None) -> None:
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data[:sent])

    def log_message(self, *_args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server({'id': ID, 'name': 'disk', 'status': 'active',
                    'disk_format': 'raw', 'container_format': 'bare',
                    'size': len(DATA), 'visibility': 'public',
                    'created_at': '2026-01-01T00:00:00Z',
                    'updated_at': '2026-01-01T00:00:00Z'})
    handler = type('Handler', (_Handler,), {'glance': state})
    listening = http.server.HTTPServer(('127.0.0.1', 0), handler)
    listening.timeout = 0.01
    done = threading.Event()

    def serve() -> None:
        # Not serve_forever: with eventlet about, its end is never noticed.
        while not done.is_set():
            listening.handle_request()

    thread = threading.Thread(target=serve)
    thread.start()
    with overridden(auth_strategy='noauth', glance_num_retries=0,
                    glance_api_servers=[
                        f'http://127.0.0.1:{listening.server_port}']):
        yield state
    done.set()
    thread.join()
    listening.server_close()


@contextlib.contextmanager
def overridden(**values) -> Iterator[None]:
    for name, value in values.items():
        CONF.set_override(name, value)
    try:
        yield
    finally:
        for name in values:
            CONF.clear_override(name)


@pytest.fixture
def data(server: Server) -> glance_data.GlanceData:
    return glance_data.GlanceData(context.get_admin_context(),
                                  glance.GlanceImageService(), ID)


@pytest.mark.parametrize('ranges', [True, False, None])
@pytest.mark.parametrize('offset', [0, 1, 65536, 100_000, len(DATA) - 1])
def test_from_an_offset_on(server, data, ranges, offset):
    server.ranges = ranges

    assert b''.join(data.read(offset)) == DATA[offset:]
    assert server.asked[0] == (f'bytes={offset}-' if offset else None)
    assert server.asked[1:] == ([None] if offset and ranges is None else [])


@pytest.mark.parametrize('ranges', [True, False, None])
def test_a_download_that_breaks_twice(server, data, ranges):
    server.ranges = ranges
    server.breaks = [MIB + 300_000, 2 * MIB + 700_000]
    image = model.Image(id=ID, size=len(DATA))

    got = b''.join(fetch.download(image, data, 2, lambda _: None))

    assert got == DATA
    # What a broken answer had brought is not asked for again.
    assert [one for one in server.asked if one] == [
        f'bytes={MIB}-', f'bytes={2 * MIB}-']
    assert len(server.asked) == (5 if ranges is None else 3)


def test_a_break_is_told(server, data):
    server.breaks = [100_000]

    with pytest.raises(errors.DownloadFailed):
        list(data.read())


@pytest.mark.parametrize(('status', 'error'), [
    (404, errors.ImageGone), (403, errors.ImageGone),
    (500, errors.DownloadFailed), (503, errors.DownloadFailed)])
def test_refusals(server, data, status, error):
    server.status = status

    with pytest.raises(error, match=ID):
        list(data.read())


def test_nobody_there(data, server):
    with overridden(glance_api_servers=['http://127.0.0.1:1']), \
            pytest.raises(errors.DownloadFailed):
        list(glance_data.GlanceData(context.get_admin_context(),
                                    glance.GlanceImageService(), ID).read())


def sign(server: Server, data: bytes) -> None:
    server.image.update(signing.properties(data))


@pytest.fixture
def verifying(server) -> Iterator[None]:
    with signing.verifying():
        yield


def verify(data: glance_data.GlanceData) -> None:
    verifier = data.verifier()
    assert verifier is not None
    for chunk in data.read():
        verifier.update(chunk)
    verifier.verify()


def test_a_good_signature(server, data, verifying):
    sign(server, DATA)

    verify(data)


def test_a_signature_of_other_data(server, data, verifying):
    sign(server, b'other data')

    with pytest.raises(errors.SignatureInvalid, match='does not fit'):
        verify(data)


def test_a_signature_with_a_missing_part(server, data, verifying):
    sign(server, DATA)
    del server.image['img_signature_hash_method']

    with pytest.raises(errors.SignatureInvalid,
                       match='missing: img_signature_hash_method'):
        data.verifier()


@pytest.mark.parametrize('part', [
    'img_signature_hash_method', 'img_signature_certificate_uuid'])
def test_a_signature_that_makes_no_sense(server, data, verifying, part):
    sign(server, DATA)
    server.image[part] = 'rot13'

    with pytest.raises(errors.SignatureInvalid, match='cannot be checked'):
        data.verifier()


def test_an_image_without_a_signature(server, data, verifying):
    assert data.verifier() is None


def test_signatures_that_nobody_wants_checked(server, data):
    sign(server, b'other data')

    with overridden(verify_glance_signatures='disabled'):
        assert data.verifier() is None
