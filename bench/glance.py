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

"""Glance's API, as far as Cinder needs it for an image.

Both drivers download through Cinder's own image service and glanceclient, so
that what those do with the data (glanceclient hashes it) is in the figures.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
from http import server
import json
import pathlib
import re
import socket
import threading
from typing import Any
from typing import Protocol

import rados
import rbd

# The properties that an image has of itself, as far as Cinder looks at them.
PROPERTIES = (
    'id', 'name', 'status', 'owner', 'disk_format', 'container_format',
    'size', 'virtual_size', 'min_disk', 'min_ram', 'visibility', 'protected',
    'checksum', 'os_hash_algo', 'os_hash_value', 'created_at', 'updated_at')
SCHEMA = {'name': 'image', 'properties': {
    name: {'type': ['null', 'string', 'integer', 'boolean']}
    for name in PROPERTIES}}


# glance_store's RBD store reads that much at once.
CHUNK = 8 * 1024 * 1024


class Store(Protocol):
    """Where the data of an image is."""

    @property
    def size(self) -> int:
        """Bytes of it."""

    def send(self, connection: socket.socket, start: int) -> None:
        """Send what comes after the first ``start`` bytes."""


class FileStore:
    """Data in a file.

    :param path: of the file
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    @property
    def size(self) -> int:
        return self._path.stat().st_size

    def send(self, connection: socket.socket, start: int) -> None:
        with self._path.open('rb') as file:
            connection.sendfile(file, start)


class RBDStore:
    """Data in a snapshot, read as glance_store's RBD store does.

    :param client: connected to the cluster
    :param snapshot: pool, image and snapshot
    """

    def __init__(self, client: rados.Rados, snapshot: list[str]) -> None:
        self._client = client
        self._snapshot = snapshot

    @property
    def size(self) -> int:
        with self._opened() as image:
            return int(image.size())

    def send(self, connection: socket.socket, start: int) -> None:
        with self._opened() as image:
            end = image.size()
            while start < end:
                chunk = image.read(start, min(CHUNK, end - start))
                connection.sendall(chunk)
                start += len(chunk)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[rbd.Image]:
        pool, name, snapshot = self._snapshot
        with self._client.open_ioctx(pool) as ioctx, \
                rbd.Image(ioctx, name, snapshot, read_only=True) as image:
            yield image


class Glance:
    """Serves images; in threads of this process, which waits meanwhile.

    ``downloads`` counts how often anybody asked for an image's data.
    """

    def __init__(self) -> None:
        self._images: dict[str, tuple[dict[str, Any], Store]] = {}
        self._lock = threading.Lock()
        self.downloads = 0
        self.url = ''

    def add(self, image: dict[str, Any], store: Store) -> None:
        """Offer an image.

        :param image: as GET /v2/images/<id> answers
        :param store: has its data
        """
        self._images[image['id']] = image, store

    @contextlib.contextmanager
    def running(self) -> Iterator[Glance]:
        """Serve while the context lasts."""
        handler = type('Handler', (_Handler,), {'glance': self})
        with server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as http:
            self.url = f'http://127.0.0.1:{http.server_port}'
            thread = threading.Thread(target=http.serve_forever, args=(0.02,))
            thread.start()
            try:
                yield self
            finally:
                http.shutdown()
                thread.join()

    def answer(self, path: str) -> dict[str, Any] | Store | None:
        """What there is at a path of the API: JSON, or an image's data."""
        if path == '/v2/schemas/image':
            return SCHEMA
        found = re.fullmatch(r'/v2/images/([^/]+)(/file)?', path)
        if not found or found[1] not in self._images:
            return None
        image, store = self._images[found[1]]
        if not found[2]:
            return image
        with self._lock:
            self.downloads += 1
        return store


class _Handler(server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = 'HTTP/1.1'
    glance: Glance

    def do_GET(self) -> None:
        answer = self.glance.answer(self.path)
        if answer is None:
            self.send_error(404)
        elif isinstance(answer, dict):
            body = json.dumps(answer).encode()
            self._head(200, 'application/json', len(body))
            self.wfile.write(body)
        else:
            self._send_data(answer)

    def _send_data(self, store: Store) -> None:
        wanted = re.fullmatch(r'bytes=(\d+)-', self.headers['Range'] or '')
        start = int(wanted[1]) if wanted else 0
        self._head(206 if wanted else 200, 'application/octet-stream',
                   store.size - start)
        # A client that hangs up has its reasons.
        with contextlib.suppress(ConnectionError):
            store.send(self.connection, start)

    def _head(self, status: int, kind: str, length: int) -> None:
        self.send_response(status)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(length))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""
