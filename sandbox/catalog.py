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

"""Users, roles and the catalog of services in Keystone."""

from __future__ import annotations

import json
from typing import Any

from sandbox import context
from sandbox import rest

REGION = 'RegionOne'

# user, then its services: (name, type, port, path)
SERVICES = {
    'glance': (('glance', 'image', 'glance', ''),),
    'cinder': (('cinderv3', 'volumev3', 'cinder', '/v3'),
               ('cinder', 'block-storage', 'cinder', '/v3')),
}
NOVA = {
    'placement': (('placement', 'placement', 'placement', ''),),
    'nova': (('nova', 'compute', 'nova', '/v2.1'),
             ('network', 'network', 'network', '')),
}
ROLES = ('admin', 'service')


def fill(sandbox: context.Context) -> None:
    """Make what is missing; note what Cinder's configuration needs."""
    services = {**SERVICES, **(NOVA if sandbox.settings.nova else {})}
    wanted = json.dumps([services, sandbox.ports])
    if _load(sandbox).get('wanted') == wanted:
        return
    client = rest.Client(sandbox)
    project = _find_or_make(client, 'project', name='service')
    roles = [_find_or_make(client, 'role', name=role) for role in ROLES]
    # Cinder's own project and user own the cached images.
    notes = {'project': project, 'wanted': wanted}
    for name, offered in services.items():
        user = _find_or_make(client, 'user', name=name,
                             password=sandbox.layout.password)
        notes[name] = user
        for role in roles:
            client.identity(
                'PUT', f'/projects/{project}/users/{user}/roles/{role}')
        for service in offered:
            _offer(client, sandbox, *service)
    sandbox.once('catalog').write_text(json.dumps(notes))


def internal_tenant(sandbox: context.Context) -> tuple[str, str]:
    """Ids of the project and the user that Cinder may use for itself."""
    notes = _load(sandbox)
    return notes.get('project', ''), notes.get('cinder', '')


def _load(sandbox: context.Context) -> dict[str, str]:
    path = sandbox.once('catalog')
    if not path.exists():
        return {}
    notes: dict[str, str] = json.loads(path.read_text())
    return notes


def _find_or_make(client: rest.Client, kind: str, *, name: str,
                  **attributes: Any) -> str:
    for found in client.identity('GET', f'/{kind}s?name={name}')[f'{kind}s']:
        return str(found['id'])
    body = {kind: {'name': name, **attributes}}
    return str(client.identity('POST', f'/{kind}s', body)[kind]['id'])


def _offer(client: rest.Client, sandbox: context.Context, name: str,
           kind: str, port: str, path: str) -> None:
    service = _find_or_make(client, 'service', name=name, type=kind)
    url = sandbox.url(port, path)
    known = client.identity('GET', f'/endpoints?service_id={service}')
    there = {endpoint['interface']: endpoint
             for endpoint in known['endpoints']}
    for interface in ('public', 'internal', 'admin'):
        body = {'endpoint': {'service_id': service, 'interface': interface,
                             'url': url, 'region_id': REGION}}
        if interface not in there:
            client.identity('POST', '/endpoints', body)
        elif there[interface]['url'] != url:
            client.identity('PATCH', '/endpoints/' + there[interface]['id'],
                            body)
