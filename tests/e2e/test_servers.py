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

"""Servers boot from the volumes: with SANDBOX_NOVA=1 only."""

import hashlib

import pytest

from sandbox import guest_image
from sandbox import polling
from sandbox import volume_types
from tests.e2e import servers as e2e_servers

GIB = 2**30
WRITTEN = b'GUEST was here\n'


@pytest.fixture(scope='session')
def guest(sandbox):
    image = guest_image.GuestImage(sandbox)
    image.make()
    return image


@pytest.fixture
def servers(cloud):
    servers = e2e_servers.Servers(cloud.api)
    yield servers
    servers.clean_up()


@pytest.fixture
def multiattach(cloud):
    """A volume type of img1 whose volumes several servers may have."""
    made = cloud.api.volume('POST', '/types', {'volume_type': {
        'name': 'e2e-multiattach', 'extra_specs': {
            'volume_backend_name': 'img1', 'multiattach': '<is> True'}}})
    kind = made['volume_type']
    yield kind['name']
    cloud.clean_up()  # a type in use stays
    cloud.api.volume('DELETE', f'/types/{kind["id"]}')


@pytest.mark.parametrize(('strategy', 'disk_format', 'store', 'creates'), [
    ('rbd-clone', 'raw', 'rbd', 1),
    ('cinder-clone', 'raw', 'cinder', 1),
    ('import', 'qcow2', 'rbd', 1),
    ('cached-clone', 'qcow2', 'rbd', 2),
])
def test_boot(cloud, servers, guest, strategy, disk_format, store, creates):
    image = cloud.image(getattr(guest, disk_format), disk_format, store)
    volume = [cloud.volume(image, 'img1') for _ in range(creates)][-1]
    assert cloud.stored(volume, 'img1', 1).strategy == strategy

    server = servers.boot(volume)

    assert cloud.show(volume)['status'] == 'in-use'
    servers.delete(server)
    cloud.await_status(volume, 'available')


def test_boot_from_encrypted_volumes(cloud, servers, guest):
    """The first, the second and the tenth of one ciphertext."""
    image = cloud.image(guest.qcow2, 'qcow2')
    volumes = [cloud.volume(image, volume_types.ENCRYPTED) for _ in range(10)]
    assert all(cloud.show(one)['encrypted'] for one in volumes)
    stored = [cloud.stored(one, 'img1', 6) for one in volumes]
    assert {(one.data, one.strategy) for one in stored} == {
        (b'LUKS\xba\xbe', 'encrypted-clone')}
    assert len({one.parent for one in stored}) == 1

    for number in (0, 1, 9):
        server = servers.boot(volumes[number])
        servers.delete(server)


def test_attached_volume(cloud, servers, guest):
    image = cloud.image(guest.raw, 'raw')
    server = servers.boot(cloud.volume(image, 'img1'))
    volume = cloud.volume(None, 'img1')

    servers.attach(server, volume)
    servers.await_console(server, 'GUEST wrote: vdb, 1024 MiB')
    cloud.extend_volume(volume, 2)
    servers.await_console(
        server, 'GUEST resized: vdb, from 1024 MiB to 2048 MiB')
    servers.detach(server, volume)
    cloud.await_status(volume, 'available')

    stored = cloud.stored(volume, 'img1', len(WRITTEN))
    assert stored.data == WRITTEN
    assert stored.size == 2 * GIB


def test_snapshot_reboot_and_delete(cloud, servers, guest):
    image = cloud.image(guest.raw, 'raw')
    volume = cloud.volume(image, 'img1')
    server = servers.boot(volume, delete_volume=True)

    snapshot = cloud.snapshot(volume)
    servers.reboot(server)
    copy = cloud.volume(None, 'img1', snapshot_id=snapshot)
    servers.boot(copy)
    # Cinder deletes no volume that has snapshots.
    cloud.delete_snapshot(snapshot)
    servers.delete(server)

    cloud.await_gone(volume)


def test_two_servers_with_one_volume(cloud, multiattach, servers, guest):
    """A clone of an image, which both write to."""
    image = cloud.image(guest.raw, 'raw')
    shared = cloud.volume(image, multiattach)
    assert cloud.stored(shared, 'img1', 1).strategy == 'rbd-clone'
    both = [servers.boot(cloud.volume(image, 'img1')) for _ in range(2)]

    for server in both:
        servers.attach(server, shared)
        servers.await_console(server, 'GUEST wrote: vdb')
    assert len(cloud.show(shared)['attachments']) == 2
    servers.detach(both[0], shared)
    assert polling.wait_until(
        lambda: len(cloud.show(shared)['attachments']) == 1, 120)
    assert cloud.show(shared)['status'] == 'in-use'
    servers.detach(both[1], shared)
    cloud.await_status(shared, 'available')

    assert cloud.stored(shared, 'img1', len(WRITTEN)).data == WRITTEN


def test_migration_of_a_servers_volume(cloud, servers, guest):
    """The server goes on with the copy, which has a name of its own."""
    image = cloud.image(guest.raw, 'raw')
    server = servers.boot(cloud.volume(image, 'img1'))
    volume = cloud.volume(image, 'img1')
    servers.attach(server, volume)
    servers.await_console(server, 'GUEST wrote: vdb')

    cloud.retype(volume, 'img2')
    assert polling.wait_until(
        lambda: cloud.show(volume)['volume_type'] == 'img2',
        e2e_servers.TIMEOUT)
    cloud.await_status(volume, 'in-use')

    cloud.extend_volume(volume, 2)
    servers.await_console(server, 'GUEST resized: vdb')
    snapshot = cloud.snapshot(volume)
    servers.detach(server, volume)
    cloud.await_status(volume, 'available')
    copy = cloud.volume(None, 'img2', size=2, snapshot_id=snapshot)
    name = cloud.show(volume)['os-vol-mig-status-attr:name_id']
    data = guest.raw.read_bytes()
    wanted = hashlib.sha256(WRITTEN + data[len(WRITTEN):]).hexdigest()
    for one in (name, copy):
        stored = cloud.stored(one, 'img2', len(data))
        assert stored.size == 2 * GIB
        assert hashlib.sha256(stored.data).hexdigest() == wanted
