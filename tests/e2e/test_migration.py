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
"""From Cinder's own driver to this one, and back, as migration.rst says.

What was made before a switch is used after it, some of it attached and written
to meanwhile.
"""

import dataclasses
import hashlib
import subprocess

import pytest

KIND = 'intree'
OURS = """
[intree]
volume_driver = rbd_imgdriver.driver.RBDImageDriver
image_volume_cache_enabled = true
"""
BLOCK = 2**20


@dataclasses.dataclass(frozen=True)
class Made:
    """What one driver has made, and what is in it.

    :param attached: a volume that is attached
    :param source: a volume with a snapshot and a clone
    """

    attached: str
    source: str
    snapshot: str
    clone: str


@pytest.fixture
def make(cloud, image):
    """Makes with the driver of the moment one of everything."""
    def one_of_each() -> Made:
        attached, source = (cloud.volume(image, KIND) for _ in range(2))
        cloud.attach(attached)
        return Made(attached, source, cloud.snapshot(source),
                    cloud.clone(source, KIND))

    return one_of_each


@pytest.fixture
def image(cloud, disk, tmp_path) -> str:
    qcow2 = tmp_path / 'disk.qcow2'
    subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', disk,
                    qcow2], check=True)
    return cloud.image(qcow2, 'qcow2')


def use(cloud, made: Made, disk: bytes) -> None:
    """Do with volumes of the other driver what users do, and delete them."""
    for volume in (made.attached, made.source, made.clone):
        assert cloud.stored(volume, KIND, len(disk)).data == disk
    while_attached = cloud.snapshot(made.attached)
    copy = cloud.clone(made.source, KIND)
    of_snapshot = cloud.volume(None, KIND, snapshot_id=made.snapshot)
    for volume in (copy, of_snapshot):
        assert cloud.stored(volume, KIND, len(disk)).data == disk
    cloud.extend_volume(made.attached, 2)
    cloud.await_status(made.attached, 'in-use')
    cloud.delete_snapshot(while_attached)
    # The source goes before what was made of it.
    cloud.delete_snapshot(made.snapshot)
    cloud.delete_volume(made.source)
    for volume in (made.clone, copy, of_snapshot):
        assert cloud.stored(volume, KIND, len(disk)).data == disk


def test_there_and_back(cloud, make, image, disk, reconfigured, manage):
    data = disk.read_bytes()
    before = make()
    assert cloud.stored(before.source, KIND, 1).strategy is None
    written = hashlib.shake_256(b'a guest').digest(BLOCK)

    with cloud.opened(before.attached, KIND) as guest:
        reconfigured(OURS)
        guest.write(written, 30 * BLOCK)
        use(cloud, before, data)
        made = make()
        assert cloud.stored(made.source, KIND, 1).strategy == 'cached-clone'
        with cloud.opened(made.attached, KIND) as other:
            reconfigured('[intree]\n')
            for one in (guest, other):
                assert one.read(0, len(data)) == data
                one.write(written, 31 * BLOCK)
            use(cloud, made, data)
            assert guest.read(30 * BLOCK, BLOCK) == written
            after = cloud.volume(image, KIND)

    stored = cloud.stored(after, KIND, len(data))
    assert stored.data == data
    assert stored.strategy is None

    # Cinder's driver leaves some of what it deletes, as always.
    cloud.clean_up()
    reconfigured(OURS)
    manage('leaks', 'repair', '--backend', 'intree')
