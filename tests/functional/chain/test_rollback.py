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
"""Switching a backend between Cinder's driver and ours, both ways."""

import dataclasses
import subprocess

from cinder import context
import pytest

from rbd_imgdriver.chain import leaks
from rbd_imgdriver.chain import names
from tests.functional import host

OBJECTS = 6
GIB = 2**30

# Each uses some ten volumes in every way, which takes a busy machine long.
pytestmark = pytest.mark.timeout(1200)


@dataclasses.dataclass
class Pool:
    """What one driver has made, for the other to work with.

    :param volumes: by what is special about them
    """

    volumes: dict[str, object]
    snapshots: list[object]


def make(driver, disks, image) -> Pool:
    """Volumes of every kind, some of whose parents are deleted."""
    made = {}

    def new(kind: str, size: int = 1):
        made[kind] = host.volume(size)
        return made[kind]

    def write(kind: str, number: int) -> None:
        disks.write(made[kind].name, number, kind)

    driver.create_volume(new('blank'))
    write('blank', 0)
    meta, location = image
    driver.clone_image(context.get_admin_context(), new('from-image'),
                       (location, None), meta, None)
    write('from-image', 1)
    driver.create_cloned_volume(new('clone'), made['from-image'])
    write('clone', 2)
    driver.create_cloned_volume(new('larger', 2), made['clone'])
    driver.create_cloned_volume(new('twin'), made['from-image'])
    snapshot = host.snapshot(made['clone'])
    driver.create_snapshot(snapshot)
    driver.create_volume_from_snapshot(new('from-snapshot'), snapshot)
    write('from-snapshot', 3)
    # Parents that are gone for Cinder.
    driver.create_cloned_volume(new('middle'), made['blank'])
    driver.create_cloned_volume(new('orphan'), made['middle'])
    driver.delete_volume(made.pop('middle'))
    lost = host.snapshot(made['twin'])
    driver.create_snapshot(lost)
    driver.create_volume_from_snapshot(new('of-lost-snapshot'), lost)
    driver.delete_snapshot(lost)
    return Pool(made, [snapshot])


@pytest.fixture
def image(disk, glance_image):
    meta = host.image_meta(disk, 'raw')
    return meta, glance_image(meta['id'])


def use(driver, disks, hold, pool: Pool, tmp_path, conf) -> None:
    """All that users do to a volume; everything is deleted at the end."""
    for kind, volume in pool.volumes.items():
        expected = disks.digest(volume.name, OBJECTS)
        assert attached(driver, disks, hold, volume) == expected, kind
        assert backed_up(volume, disks, tmp_path, conf) == expected, kind
        snapshot, of_snapshot, clone = (host.snapshot(volume), host.volume(3),
                                        host.volume(3))
        driver.create_snapshot(snapshot)
        driver.create_volume_from_snapshot(of_snapshot, snapshot)
        driver.create_cloned_volume(clone, volume)
        driver.extend_volume(volume, 4)
        assert disks.size(volume.name) == 4 * GIB
        disks.write(volume.name, 0, 'changed')
        for one in (of_snapshot, clone):
            assert disks.digest(one.name, OBJECTS) == expected, kind
            assert disks.size(one.name) == 3 * GIB
        driver.revert_to_snapshot(None, volume, snapshot)
        assert disks.digest(volume.name, OBJECTS) == expected, kind
        for one in (of_snapshot, clone):
            driver.delete_volume(one)
        driver.delete_snapshot(snapshot)
    for snapshot in pool.snapshots:
        driver.delete_snapshot(snapshot)
    for volume in pool.volumes.values():
        driver.delete_volume(volume)


def attached(driver, disks, hold, volume) -> str:
    """What a client reads that connects as Cinder says."""
    data = driver.initialize_connection(volume, {})['data']
    client = hold(data['name'])
    try:
        return client.read(0, OBJECTS * disks.OBJECT)
    finally:
        client.close()


def backed_up(volume, disks, tmp_path, conf) -> str:
    """What a backup holds that is made as by Cinder's Ceph backup driver."""
    snapshot = 'backup.11.snap.1700000000.12'
    copy = f'backup-{volume.name}'
    with disks.open(volume.name, read_only=False) as image:
        image.create_snap(snapshot)
        transfer(conf, f'volumes/{volume.name}@{snapshot}',
                 disks.blank(copy, 'volumes2'), tmp_path / 'diff')
        image.remove_snap(snapshot)
    try:
        return disks.digest(copy, OBJECTS, 'volumes2')
    finally:
        disks.remove(copy, 'volumes2')


def transfer(conf, source: str, target: str, path) -> None:
    """Export all of a snapshot and import it, with Ceph's own command."""
    rbd = ('rbd', '--conf', conf, '--id', 'cinder')
    for words in ('export-diff', source, path), ('import-diff', path, target):
        subprocess.run([*rbd, *words], check=True, capture_output=True)
    path.unlink()


def test_back_to_cinders_driver(driver, intree, disks, hold, image, tmp_path,
                                conf, is_empty):
    made = make(driver, disks, image)
    host.end_flattens(driver)
    use(intree, disks, hold, made, tmp_path, conf)
    # Cinder's driver leaves things, as always; what is left is not a volume.
    remains = leaks.Leaks(driver._pool, names.Names(), lambda _id: None)
    for leak in remains.find():
        assert leak.safe, leak
        assert remains.repair(leak)
    assert is_empty()


def test_from_cinders_driver_to_ours(driver, intree, disks, hold, image,
                                     tmp_path, conf, is_empty):
    made = make(intree, disks, image)
    use(driver, disks, hold, made, tmp_path, conf)
    remains = leaks.Leaks(driver._pool, names.Names(), lambda _id: None)
    for leak in remains.find():
        assert leak.safe, leak
        assert remains.repair(leak)
    assert is_empty()


def test_there_and_back(driver, intree, disks, hold, image, tmp_path, conf,
                        is_empty):
    """Families of both drivers, mixed."""
    made = make(intree, disks, image)
    ours = make(driver, disks, image)
    drivers = [driver, intree]
    for number, (kind, volume) in enumerate(sorted(made.volumes.items())):
        child = host.volume(volume.size)
        drivers[number % 2].create_cloned_volume(child, volume)
        made.volumes[f'{kind}-child'] = child
    everything = Pool(made.volumes | {f'our-{kind}': one for kind, one
                                      in ours.volumes.items()},
                      made.snapshots + ours.snapshots)
    use(driver, disks, hold, everything, tmp_path, conf)
    remains = leaks.Leaks(driver._pool, names.Names(), lambda _id: None)
    for leak in remains.find():
        assert leak.safe, leak
        assert remains.repair(leak)
    assert is_empty()
