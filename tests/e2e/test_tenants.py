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
"""Two tenants: who gets what of whose images, through all the APIs.

The table is in doc/source/security.rst.
"""

from collections.abc import Iterator
import contextlib

import pytest

from sandbox import context
from sandbox import rest
from tests.e2e import conftest

JSON_PATCH = 'application/openstack-images-v2.1-json-patch'
SIGNATURE = {'img_signature': 'bm9uc2Vuc2U=',
             'img_signature_hash_method': 'SHA-256',
             'img_signature_key_type': 'RSA-PSS',
             'img_signature_certificate_uuid':
                 'c3c0ffee-0000-4000-8000-00000000000c'}


def made(admin: rest.Client, kind: str, name: str, **facts) -> str:
    """The id of a project or user; made when there is none."""
    found = admin.identity('GET', f'/{kind}s?name={name}')[f'{kind}s']
    return found[0]['id'] if found else admin.identity('POST', f'/{kind}s', {
        kind: {'name': name, 'domain_id': 'default', **facts}})[kind]['id']


def tenant(sandbox: context.Context, name: str) -> rest.Client:
    """A user who is a member of a project of the same name."""
    admin = rest.Client(sandbox)
    project = made(admin, 'project', name)
    user = made(admin, 'user', name, password=sandbox.layout.password)
    for role in admin.identity('GET', '/roles')['roles']:
        if role['name'] in ('member', 'reader'):
            admin.identity('PUT', f'/projects/{project}/users/{user}/roles/'
                                  f'{role["id"]}')
    return rest.Client(sandbox, name, name)


@pytest.fixture
def alice(sandbox, bob) -> Iterator[conftest.Cloud]:
    """A member of another project; whose volumes go before bob's."""
    cloud = conftest.Cloud(sandbox, tenant(sandbox, 'alice'))
    yield cloud
    cloud.clean_up()


@pytest.fixture
def bob(sandbox, cloud) -> Iterator[conftest.Cloud]:
    cloud = conftest.Cloud(sandbox, tenant(sandbox, 'bob'))
    yield cloud
    cloud.clean_up()


def change(who: conftest.Cloud, image: str, **properties: object) -> None:
    """Set properties of an image."""
    known = who.api.image('GET', f'/images/{image}')
    who.api.image('PATCH', f'/images/{image}', [
        {'op': 'replace' if name in known else 'add', 'path': f'/{name}',
         'value': value} for name, value in properties.items()], JSON_PATCH)


@contextlib.contextmanager
def deactivated(who: conftest.Cloud, image: str) -> Iterator[None]:
    """Nobody may read an image for a while.

    Glance leaves the data of an image that is deleted meanwhile.
    """
    who.api.image('POST', f'/images/{image}/actions/deactivate')
    try:
        yield
    finally:
        who.api.image('POST', f'/images/{image}/actions/reactivate')


def forge(sandbox: context.Context, who: conftest.Cloud, url: str) -> str:
    """An image with a location of our choice; its id.

    A tenant could set it where Glance has show_multiple_locations; here the
    service does, by the locations API.
    """
    image = who.queued_image('raw')
    rest.Client(sandbox, 'cinder', 'service').image(
        'POST', f'/images/{image}/locations', {'url': url})
    who.await_image(image)
    return image


def test_another_tenants_image_in_ceph_is_not_cloned(sandbox, alice, bob,
                                                     disk):
    theirs = bob.image(disk, 'raw', store='rbd')
    url = bob.api.image('GET', f'/images/{theirs}')['direct_url']
    image = forge(sandbox, alice, url)

    for kind in ('img1', 'img2'):
        volume = alice.volume(image, kind)

        stored = alice.stored(volume, kind, 0)
        assert stored.strategy == 'import'
        assert 'rbd-clone: not-the-image ' in stored.declined


@pytest.mark.parametrize('marked', [False, True])
def test_another_tenants_volume_is_not_cloned(sandbox, alice, bob, marked):
    theirs = bob.volume(None, 'img1')
    image = forge(sandbox, alice, f'cinder://cinder/{theirs}')
    if marked:
        bob.api.volume('POST', f'/volumes/{theirs}/metadata', {'metadata': {
            'glance_image_id': image, 'image_owner': alice.api.project_id}})

    for kind in ('img1', 'img2'):
        volume = alice.volume(image, kind)

        stored = alice.stored(volume, kind, 0)
        assert stored.strategy == 'import'
        code = 'not-owner' if marked else 'not-the-image'
        assert f'cinder-clone: {code} ' in stored.declined


@pytest.mark.parametrize(('store', 'strategy'), [
    ('rbd', 'rbd-clone'), ('cinder', 'cinder-clone')])
def test_who_may_use_an_image(alice, bob, disk, store, strategy):
    image = bob.image(disk, 'raw', store=store)

    def alice_gets() -> str | None:
        volume = alice.volume(image, 'img1')
        stored = alice.stored(volume, 'img1', len(disk.read_bytes()))
        assert stored.data == disk.read_bytes()
        return stored.strategy

    # Its owner does, also when it is hidden from lists.
    change(bob, image, os_hidden=True)
    assert bob.stored(bob.volume(image, 'img1'), 'img1',
                      0).strategy == strategy

    # Private: nobody else.
    change(bob, image, visibility='private')
    with pytest.raises(rest.RestError, match=' 400 '):
        alice.ask_for_volume(image, 'img1', 1)

    # Shared: its members.
    change(bob, image, visibility='shared')
    with pytest.raises(rest.RestError, match=' 400 '):
        alice.ask_for_volume(image, 'img1', 1)
    bob.api.image('POST', f'/images/{image}/members',
                  {'member': alice.api.project_id})
    assert alice_gets() == strategy

    # A member no more, and then for the whole community.
    bob.api.image('DELETE', f'/images/{image}/members/'
                            f'{alice.api.project_id}')
    with pytest.raises(rest.RestError, match=' 400 '):
        alice.ask_for_volume(image, 'img1', 1)
    change(bob, image, visibility='community')
    assert alice_gets() == strategy

    # Deactivated: nobody, its owner included.
    with deactivated(bob, image):
        for who in (alice, bob):
            with pytest.raises(rest.RestError, match=' 400 '):
                who.ask_for_volume(image, 'img1', 1)


def test_an_image_that_is_cached_is_no_more_public_than_before(
        alice, bob, disk):
    image = bob.image(disk, 'raw', store='file')
    for _ in range(2):
        volume = bob.volume(image, 'img1')
    assert bob.stored(volume, 'img1', 0).strategy == 'cached-clone'

    with pytest.raises(rest.RestError, match=' 400 '):
        alice.ask_for_volume(image, 'img1', 1)

    with deactivated(bob, image), pytest.raises(rest.RestError,
                                                match=' 400 '):
        bob.ask_for_volume(image, 'img1', 1)


@pytest.mark.parametrize('store', ['rbd', 'cinder'])
def test_a_signature_that_cannot_be_verified(bob, disk, store):
    image = bob.image(disk, 'raw', store=store)
    change(bob, image, **SIGNATURE)

    volume = bob.ask_for_volume(image, 'img1', 1)

    bob.await_status(volume, 'error')
    messages = bob.api.volume(
        'GET', f'/messages?resource_uuid={volume}')['messages']
    assert 'signature' in messages[0]['user_message']
