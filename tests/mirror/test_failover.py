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
"""Volumes of a replicated type, to the other cluster and back."""

import shutil
import subprocess

from cinder import context
import pytest
import rbd

from rbd_imgdriver import model
from tests.functional import daemons
from tests.functional import host
from tests.mirror import conftest

pytestmark = pytest.mark.usefixtures('cinder_locations')


@pytest.fixture
def image_volume(first, known):
    """A volume that holds an image, as Cinder marks it; its location."""
    def make(meta: dict, data: bytes) -> str:
        volume = host.volume(metadata={'glance_image_id': meta['id']},
                             admin_metadata={'readonly': 'True'})
        known(volume)
        with first.cluster.connection() as client, \
                client.open_ioctx('volumes') as ioctx:
            rbd.RBD().create(ioctx, volume.name, 2**30, 22,
                             old_format=False, features=61)
        first.change(volume.name, lambda image: image.write(data, 0))
        return f'cinder://{volume.id}'

    return make


@pytest.fixture
def every_way(driver, create, new_volume, disk, qcow2, glance_image,
              image_volume):
    """A volume made by each strategy, and each that is made of a volume."""
    data = disk.read_bytes()
    raw = host.image_meta(disk, 'raw')
    backed = host.image_meta(disk, 'raw')
    compressed = host.image_meta(qcow2, 'qcow2')
    service = host.ImageService(qcow2)
    made = {'rbd-clone': create(driver, raw, glance_image(raw['id'])),
            'cinder-clone': create(driver, backed, image_volume(backed, data)),
            'import': create(driver, compressed, service=service),
            'cached-clone': create(driver, compressed, service=service)}
    source = made['import']
    made['volume'] = new_volume()
    made['volume'].update(driver.create_cloned_volume(made['volume'], source))
    snapshot = host.snapshot(source)
    driver.create_snapshot(snapshot)
    made['snapshot'] = new_volume()
    made['snapshot'].update(driver.create_volume_from_snapshot(
        made['snapshot'], snapshot))
    driver.delete_snapshot(snapshot)
    return made


def strategy(site, volume) -> str:
    return site.look(volume.name, lambda image: image.metadata_get(
        model.STRATEGY_KEY))


def test_there_and_back(driver, create, every_way, new_volume, first, second,
                        disk, qcow2, glance_image, fail_over):
    data = disk.read_bytes()
    volumes = list(every_way.values())
    for way, volume in list(every_way.items())[:4]:
        assert strategy(first, volume) == way, first.look(
            volume.name, lambda image: list(image.metadata_list()))
    for volume in volumes:
        assert first.parent(volume.name) is None
        conftest.mirrored(second, volume.name, data)
    entries = [name for name in first.images()
               if name.startswith('image-cache-')]
    assert entries
    before = first.images(), first.trash()

    fail_over(driver, volumes, 'second')

    for volume in volumes:
        assert volume.replication_status == 'failed-over'
        assert second.is_primary(volume.name)
        assert not first.is_primary(volume.name)
        assert second.data(volume.name, len(data)) == data
    # Nothing of the cache is mirrored, and it begins empty.
    assert not [name for name in second.images() if name in entries]
    raw = host.image_meta(disk, 'raw')
    url = glance_image(raw['id'])
    service = host.ImageService(disk)
    others = [create(driver, raw, url, service=service) for _ in range(2)]
    assert [strategy(second, one) for one in others] == [
        'import', 'cached-clone']
    assert service.downloads == 1
    clone = new_volume()
    clone.update(driver.create_cloned_volume(clone, volumes[0]))
    driver._sweep()
    driver._chains.resume()
    driver.delete_volume(volumes[1])
    second.change(volumes[0].name, lambda image: image.write(b'second', 0))
    # The other cluster has what was mirrored back, and is else untouched.
    for volume in (*others, clone):
        conftest.mirrored(first, volume.name, data)
    conftest.eventually(lambda: volumes[1].name not in first.images(),
                        'the deleted volume stays on the first cluster')
    assert [name for name in first.images()
            if name.startswith('image-cache-')] == entries
    assert set(before[0]) - set(first.images()) == {volumes[1].name}

    del volumes[1]
    fail_over(driver, [*volumes, *others, clone], 'default')

    for volume in (*volumes, *others, clone):
        assert volume.replication_status == 'enabled'
        assert first.is_primary(volume.name)
    assert first.data(volumes[0].name, 6) == b'second'
    again = create(driver, host.image_meta(qcow2, 'qcow2'),
                   service=host.ImageService(qcow2))
    assert first.data(again.name, len(data)) == data
    for volume in (*volumes, *others, clone, again):
        driver.delete_volume(volume)
    names = {volume.name for volume in (*volumes, *others, clone, again)}
    assert not names & {*first.images(), *first.trash()}
    conftest.eventually(lambda: not names & set(second.images()),
                        'deleted volumes stay on the second cluster')


@pytest.mark.parametrize('of', ['volume', 'snapshot'])
def test_what_a_volume_was_made_of_is_deleted_at_once(
        driver, create, new_volume, first, second, disk, fail_over, of):
    """The second cluster does not have the new volume yet.

    rbd-mirror does not copy a clone whose parent, or the parent's snapshot,
    is gone before it came to it.
    """
    data = disk.read_bytes()
    source = create(driver, host.image_meta(disk, 'raw'))
    conftest.mirrored(second, source.name, data)
    volume = new_volume()
    second.mirror.stop()
    if of == 'volume':
        volume.update(driver.create_cloned_volume(volume, source))
        driver.delete_volume(source)
    else:
        snapshot = host.snapshot(source)
        driver.create_snapshot(snapshot)
        volume.update(driver.create_volume_from_snapshot(volume, snapshot))
        driver.delete_snapshot(snapshot)
    second.mirror.ensure()

    conftest.mirrored(second, volume.name, data)

    fail_over(driver, [volume], 'second')
    assert volume.replication_status == 'failed-over'


def test_a_volume_whose_create_has_failed(
        driver, create, new_volume, first, second, disk, fail_over):
    """Cinder gives it to the driver, too; the others are still demoted."""
    failed = new_volume(status='error', replication_status='enabled')
    volume = create(driver, host.image_meta(disk, 'raw'))
    conftest.mirrored(second, volume.name, disk.read_bytes())
    first.change(volume.name, lambda image: image.write(b'last', 0))

    fail_over(driver, [failed, volume], 'second')

    assert failed.status == 'error'
    assert failed.replication_status == 'failover-error'
    assert volume.replication_status == 'failed-over'
    assert not first.is_primary(volume.name)
    assert second.data(volume.name, 4) == b'last'


def test_what_changes_a_volume_reaches_the_other_cluster(
        driver, create, first, second, disk, fail_over):
    data = disk.read_bytes()
    volume = create(driver, host.image_meta(disk, 'raw'))
    conftest.mirrored(second, volume.name, data)
    snapshot = host.snapshot(volume)
    driver.create_snapshot(snapshot)
    first.change(volume.name, lambda image: image.write(b'new', 0))
    conftest.mirrored(second, volume.name, b'new')

    driver.revert_to_snapshot(context.get_admin_context(), volume, snapshot)

    conftest.mirrored(second, volume.name, data)
    driver.extend_volume(volume, 2)
    volume.size = 2
    conftest.eventually(
        lambda: second.look(volume.name, lambda image: image.size()) == 2**31,
        'the volume does not grow on the second cluster')
    fail_over(driver, [volume], 'second')
    driver.revert_to_snapshot(context.get_admin_context(), volume, snapshot)
    assert second.data(volume.name, len(data)) == data


def test_an_image_in_place_of_what_a_volume_held(
        driver, create, first, second, disk, tmp_path):
    """Cinder's re-image writes into the volume that is mirrored."""
    volume = create(driver, host.image_meta(disk, 'raw'))
    conftest.mirrored(second, volume.name, disk.read_bytes())
    other = tmp_path / 'other.raw'
    other.write_bytes(b'another ' * 2**19)
    meta = host.image_meta(other, 'raw')
    service = _Glance(other, meta)

    driver.copy_image_to_volume(context.get_admin_context(), volume, service,
                                meta['id'], disable_sparse=True)

    conftest.mirrored(second, volume.name, other.read_bytes())


class _Glance(host.ImageService):
    """Answers what Cinder asks for in a re-image."""

    temp_images = None

    def __init__(self, path, meta) -> None:
        super().__init__(path)
        self._meta = meta

    def show(self, _context, image_id: str, **_) -> dict:
        assert image_id == self._meta['id']
        return self._meta

    def get_location(self, _context, _image_id: str) -> tuple[None, None]:
        return None, None

    def download(self, _context, image_id: str, file) -> None:
        assert image_id == self._meta['id']
        with self.path.open('rb') as source:
            shutil.copyfileobj(source, file)


def test_a_flatten_under_way(driver, first, fail_over):
    """It is ended on the cluster that is left, and taken up on the way back.

    Of a volume that is not replicated: others have no parent.
    """
    source, clone = host.volume(), host.volume()
    data = b'of the source. ' * 2**23
    driver.create_volume(source)
    first.change(source.name, lambda image: image.write(data, 0))
    driver.create_cloned_volume(clone, source)
    former = driver._chains.flattener
    former.request(driver._pool, clone.name)
    with daemons.paused(first.cluster.daemons()[-1]):
        fail_over(driver, [], 'second')
        assert driver._chains.flattener is not former
    conftest.eventually(lambda: not former._running, 'the flatten goes on')
    driver._chains.resume()
    assert first.parent(clone.name) == source.name

    fail_over(driver, [], 'default')

    driver._chains.resume()
    conftest.eventually(lambda: first.parent(clone.name) is None,
                        'nobody takes up the flatten')
    assert first.data(clone.name, len(data)) == data


def test_the_first_cluster_is_gone(make_driver, create, new_volume, first,
                                   second, disk, fail_over):
    """Nothing on the second one waits for it.

    Except for its rbd-mirror, which never gives up the lock of an image while
    it waits, so that nobody may write to it: it is stopped first, as
    doc/source/backup.rst says.
    """
    driver = make_driver()
    data = disk.read_bytes()
    meta = host.image_meta(disk, 'raw')
    volume, unused = create(driver, meta), create(driver, meta)
    for one in volume, unused:
        conftest.mirrored(second, one.name, data)
    for daemon in first.mirror, second.mirror, first.cluster:
        daemon.stop()
    try:
        fail_over(driver, [volume, unused], 'second')

        assert volume.replication_status == 'failed-over'
        assert second.data(volume.name, len(data)) == data
        clone = new_volume()
        clone.update(driver.create_cloned_volume(clone, volume))
        other = create(driver, meta, service=host.ImageService(disk))
        assert strategy(second, other) == 'import'
        driver.create_snapshot(host.snapshot(clone))
        driver._sweep()
        driver._chains.resume()
        driver.delete_volume(unused)
        driver._update_volume_stats()
        assert unused.name not in second.images()
        second.change(volume.name, lambda image: image.write(b'second', 0))
    finally:
        first.cluster.start()
        for daemon in first.mirror, second.mirror:
            daemon.ensure()
    # As doc/source/backup.rst says.
    assert first.is_primary(volume.name)
    for command in 'demote', 'resync':
        subprocess.run(['rbd', '-c', first.cluster.conf(), 'mirror', 'image',
                        command, f'volumes/{volume.name}'], check=True)
    subprocess.run(['rbd', '-c', first.cluster.conf(), 'rm', '--no-progress',
                    f'volumes/{unused.name}'], check=True)
    conftest.mirrored(first, volume.name, b'second')
    for one in clone, other:
        conftest.mirrored(first, one.name, data)

    fail_over(driver, [volume, clone, other], 'default')

    for one in volume, clone, other:
        assert one.replication_status == 'enabled'
        assert first.is_primary(one.name)
    assert first.data(volume.name, 6) == b'second'
