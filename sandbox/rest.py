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

"""Speaking with the OpenStack APIs, with the standard library only."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
import json
import os
import time
from typing import Any
from typing import BinaryIO
import urllib.error
import urllib.request

from sandbox import context
from sandbox import polling

VOLUME_VERSION = 'volume 3.70'
COMPUTE_VERSION = 'compute 2.79'


class RestError(Exception):
    """An API did not do what it was asked to.

    :param code: the HTTP status
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def seconds(stamp: str | None) -> float:
    """A time as the APIs write it, in seconds since 1970; 0 for none."""
    if not stamp:
        return 0
    return calendar.timegm(time.strptime(stamp[:19], '%Y-%m-%dT%H:%M:%S'))


class Client:
    """A user of the sandbox, to its APIs; by default the administrator.

    :param user: its password is that of all users
    """

    def __init__(self, sandbox: context.Context, user: str = 'admin',
                 project: str = 'admin') -> None:
        self._sandbox = sandbox
        self._user = user
        self._project = project
        self._token = ''
        self.project_id = ''
        self._login()

    def identity(self, method: str, path: str, body: object = None) -> Any:
        """Ask Keystone."""
        return self._json('keystone', method, '/v3' + path, body)

    def image(self, method: str, path: str, body: object = None,
              content_type: str = 'application/json') -> Any:
        """Ask Glance."""
        return self._json('glance', method, '/v2' + path, body,
                          {'Content-Type': content_type})

    def upload(self, path: str, data: BinaryIO, store: str) -> None:
        """Send an image's data to one of Glance's stores."""
        self._send('glance', 'PUT', '/v2' + path, data, {
            'Content-Type': 'application/octet-stream',
            'Content-Length': str(os.fstat(data.fileno()).st_size),
            'X-Image-Meta-Store': store})

    def download(self, path: str) -> bytes:
        """An image's data."""
        return self._send('glance', 'GET', '/v2' + path, None, {
            'Accept': 'application/octet-stream'})[1]

    def volume(self, method: str, path: str, body: object = None) -> Any:
        """Ask Cinder."""
        return self._json('cinder', method, f'/v3/{self.project_id}' + path,
                          body, {'OpenStack-API-Version': VOLUME_VERSION})

    def compute(self, method: str, path: str, body: object = None) -> Any:
        """Ask Nova."""
        return self._json('nova', method, '/v2.1' + path, body,
                          {'OpenStack-API-Version': COMPUTE_VERSION})

    def _login(self) -> None:
        body = {'auth': {
            'identity': {'methods': ['password'], 'password': {'user': {
                'name': self._user, 'domain': {'id': 'default'},
                'password': self._sandbox.layout.password}}},
            'scope': {'project': {'name': self._project,
                                  'domain': {'id': 'default'}}}}}
        headers, answer = self._send(
            'keystone', 'POST', '/v3/auth/tokens', json.dumps(body).encode(),
            {'Content-Type': 'application/json'})
        self._token = headers['X-Subject-Token']
        self.project_id = json.loads(answer)['token']['project']['id']

    def _json(self, service: str, method: str, path: str, body: object,
              headers: Mapping[str, str] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        _, answer = self._send(service, method, path, data, {
            'Content-Type': 'application/json', **(headers or {})})
        return json.loads(answer) if answer else None

    def _send(self, service: str, method: str, path: str,
              data: bytes | BinaryIO | None, headers: Mapping[str, str],
              ) -> tuple[Mapping[str, str], bytes]:
        url = self._sandbox.url(service, path)
        request = urllib.request.Request(url, data, method=method, headers={
            'Accept': 'application/json', 'X-Auth-Token': self._token,
            **headers})
        try:
            with polling.DIRECT.open(request, timeout=300) as response:
                return response.headers, response.read()
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors='replace')
            raise RestError(error.code, f'{method} {url}: {error.code} '
                                        f'{text[:500]}') from error
