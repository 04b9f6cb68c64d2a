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
"""A Glance that serves images from a directory, over real HTTP.

As much of Glance's API v2 as python-glanceclient asks for, without
authentication, as ``auth_strategy = noauth`` has it.  It is a process of its
own: this file, run with the directory as its argument.
"""

from collections.abc import Iterator
import contextlib
import hashlib
import http.server
import json
import pathlib
import subprocess
import sys
import urllib.parse
import uuid

# That of Glance 29 (2024.2), the first with the locations API.
VERSION = 'v2.17'
BASE = ('id', 'name', 'status', 'owner', 'visibility', 'disk_format',
        'container_format', 'size', 'virtual_size', 'min_disk', 'checksum',
        'os_hash_algo', 'os_hash_value', 'created_at', 'updated_at',
        'locations')


# What is asked of the list besides what images are to be like.
PAGING = ('limit', 'marker', 'sort_key', 'sort_dir', 'sort')


def _fits(image: dict, asked: dict[str, str]) -> bool:
    return all(value in image.get('tags', []) if key == 'tag'
               else image.get(key) == value for key, value in asked.items())


class Glance:
    """The images in a directory: ``<id>.json`` and ``<id>.data``."""

    def __init__(self, directory: pathlib.Path) -> None:
        self._directory = directory
        self.url = ''

    @contextlib.contextmanager
    def serving(self) -> Iterator['Glance']:
        with subprocess.Popen(
                [sys.executable, __file__, str(self._directory)],
                stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            self.url = 'http://127.0.0.1:' + server.stdout.readline().strip()
            try:
                yield self
            finally:
                server.terminate()

    def add(self, data: bytes, **facts) -> str:
        """An active image; returns its id."""
        id_ = str(uuid.uuid4())
        self.put_data(id_, data)
        (self._directory / f'{id_}.json').write_text(json.dumps({
            'id': id_, 'name': 'disk', 'status': 'active', 'owner': 'owner',
            'visibility': 'public', 'disk_format': 'raw', 'min_disk': 0,
            'container_format': 'bare', 'size': len(data),
            'os_hash_algo': 'sha512', 'virtual_size': None,
            'os_hash_value': hashlib.sha512(data).hexdigest(),
            'checksum': hashlib.md5(data, usedforsecurity=False).hexdigest(),
            'created_at': '2026-01-01T00:00:00Z',
            'updated_at': '2026-01-01T00:00:00Z', **facts}))
        return id_

    def facts(self, id_: str) -> dict:
        """What it says of an image."""
        return json.loads((self._directory / f'{id_}.json').read_text())

    def locate(self, id_: str, url: str) -> None:
        """Let the locations API say where an image is."""
        (self._directory / f'{id_}.locations').write_text(json.dumps(
            [{'url': url, 'metadata': {}}]))

    def put_data(self, id_: str, data: bytes) -> None:
        """Change an image's data behind Glance's back."""
        (self._directory / f'{id_}.data').write_bytes(data)

    def delete(self, id_: str) -> None:
        """Delete an image."""
        (self._directory / f'{id_}.json').unlink()

    def hide(self) -> None:
        """Show our user no image from now on, and nothing of Glance's own."""
        (self._directory / 'hidden').touch()

    def fail(self) -> None:
        """Answer every request with an error from now on."""
        (self._directory / 'down').touch()


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers from the files."""

    directory: pathlib.Path

    def do_GET(self) -> None:
        url = urllib.parse.urlparse(self.path)
        words = url.path.strip('/').split('/')
        hidden = (self.directory / 'hidden').exists()
        facts = self.directory / f'{(*words, "", "")[2]}.json'
        match words:
            case _ if (self.directory / 'down').exists():
                self.send_error(503)
            case ['versions']:
                self._json({'versions': [
                    {'id': VERSION, 'status': 'SUPPORTED'}]})
            case ['v3']:
                self._json({'version': {'id': 'v3.14', 'status': 'stable',
                                        'links': [{'rel': 'self', 'href':
                                                   self.path}]}})
            case ['v2', 'tasks'] if hidden:
                self.send_error(403)
            case ['v2', 'tasks']:
                self._json({'tasks': []})
            case ['v2', 'images'] if hidden:
                self._json({'images': []})
            case ['v2', 'images', *_] if hidden:
                self.send_error(404)
            case ['v2', 'schemas', 'image']:
                self._json({'name': 'image', 'properties': {
                    name: {'type': 'string'} for name in BASE}})
            case ['v2', 'images']:
                asked = {key: value for key, value in
                         urllib.parse.parse_qsl(url.query)
                         if key not in PAGING}
                found = [json.loads(path.read_text())
                         for path in self.directory.glob('*.json')]
                self._json({'images': [one for one in found
                                       if _fits(one, asked)]})
            case ['v2', 'images', _] if facts.exists():
                self._bytes(facts.read_bytes(), 'application/json')
            case ['v2', 'images', _, 'file'] if facts.exists():
                self._bytes(facts.with_suffix('.data').read_bytes(),
                            'application/octet-stream')
            case ['v2', 'images', _, 'locations'] if facts.exists():
                places = facts.with_suffix('.locations')
                self._bytes(places.read_bytes() if places.exists()
                            else b'[]', 'application/json')
            case _:
                self.send_error(404)

    def do_POST(self) -> None:
        """As a Keystone that knows nobody."""
        self.send_error(401)

    def _json(self, value: object) -> None:
        self._bytes(json.dumps(value).encode(), 'application/json')

    def _bytes(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header('Content-Type', kind)
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_args: object) -> None:
        """Quiet."""


def serve(directory: str) -> None:
    """Serve until the process ends; the port is the first line printed."""
    Handler.directory = pathlib.Path(directory)
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == '__main__':
    serve(sys.argv[1])
