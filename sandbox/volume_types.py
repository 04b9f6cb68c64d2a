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

"""Cinder's volume types: one for each backend, and an encrypted one."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox import rest

ENCRYPTED = 'img1-luks'
ENCRYPTED_ON = 'img1'
LUKS = {'provider': 'luks', 'cipher': 'aes-xts-plain64', 'key_size': 256,
        'control_location': 'front-end'}


def make(client: rest.Client, backends: Sequence[str]) -> None:
    """Make the volume types that are missing."""
    there = {kind['name']: kind['id']
             for kind in client.volume('GET', '/types')['volume_types']}
    wanted = {backend: backend for backend in backends}
    wanted[ENCRYPTED] = ENCRYPTED_ON
    for name, backend in wanted.items():
        if name not in there:
            there[name] = _make(client, name, backend)
    path = f'/types/{there[ENCRYPTED]}/encryption'
    if not client.volume('GET', path).get('encryption_id'):
        client.volume('POST', path, {'encryption': LUKS})


def _make(client: rest.Client, name: str, backend: str) -> str:
    body = {'volume_type': {
        'name': name, 'extra_specs': {'volume_backend_name': backend}}}
    answer = client.volume('POST', '/types', body)
    return str(answer['volume_type']['id'])
