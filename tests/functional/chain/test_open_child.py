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
"""A client that has a volume open reads its bytes, whatever is deleted.

The sequence that makes a guest read zeroes with Cinder's driver: volume A,
snapshot of A, volume B from it, snapshot of B, volume C from it, C open on a
client; then A's snapshot and A are deleted.
"""

import dataclasses

from cinder import context
import pytest

from rbd_imgdriver.chain import leaks
from tests.functional import host

OBJECTS = 4


@dataclasses.dataclass
class Family:
    """A, B of a snapshot of A, C of a snapshot of B."""

    a: object
    a_snapshot: object
    b: object
    b_snapshot: object
    c: object

    @classmethod
    def make(cls, driver, disks) -> 'Family':
        a = host.volume()
        driver.create_volume(a)
        for number in range(OBJECTS):
            disks.write(a.name, number, f'A{number}')
        a_snapshot = host.snapshot(a)
        driver.create_snapshot(a_snapshot)
        b = host.volume()
        driver.create_volume_from_snapshot(b, a_snapshot)
        disks.write(b.name, 1, 'B')
        b_snapshot = host.snapshot(b)
        driver.create_snapshot(b_snapshot)
        c = host.volume()
        driver.create_volume_from_snapshot(c, b_snapshot)
        disks.write(c.name, 2, 'C')
        return cls(a, a_snapshot, b, b_snapshot, c)


class Witness:
    """Clients with an image open, and what they must go on reading."""

    def __init__(self, hold, disks, name: str) -> None:
        self._length = OBJECTS * disks.OBJECT
        self._expected = disks.digest(name, OBJECTS)
        # Read-only clients (backups, uploads) are invisible to librbd.
        self._clients = [hold(f'volumes/{name}', writable=True),
                         hold(f'volumes/{name}', writable=False)]

    def reads_its_bytes(self) -> bool:
        return all(client.read(0, self._length) == self._expected
                   for client in self._clients)


@pytest.fixture
def family(driver, disks) -> Family:
    return Family.make(driver, disks)


@pytest.fixture
def witness(family, hold, disks) -> Witness:
    return Witness(hold, disks, family.c.name)


def test_deletion_of_the_ancestors(driver, disks, family, witness):
    driver.delete_snapshot(family.a_snapshot)
    assert witness.reads_its_bytes()
    driver.delete_volume(family.a)
    assert witness.reads_its_bytes()
    driver.delete_snapshot(family.b_snapshot)
    assert witness.reads_its_bytes()
    driver.delete_volume(family.b)
    assert witness.reads_its_bytes()
    assert disks.digest(family.c.name, OBJECTS) == witness._expected


def test_the_last_of_the_family_leaves_nothing(driver, family, hold, disks,
                                               is_empty):
    client = hold(f'volumes/{family.c.name}')
    driver.delete_snapshot(family.a_snapshot)
    driver.delete_volume(family.a)
    driver.delete_snapshot(family.b_snapshot)
    driver.delete_volume(family.b)
    client.close()
    driver.delete_volume(family.c)
    assert is_empty()


def test_cinders_driver_zeroes_them(intree, disks, hold):
    """Why all this is: the same sequence through the driver of Cinder 29.

    If this fails Cinder or Ceph has been mended.
    """
    family = Family.make(intree, disks)
    witness = Witness(hold, disks, family.c.name)
    intree.delete_snapshot(family.a_snapshot)
    intree.delete_volume(family.a)
    assert not witness.reads_its_bytes()
    assert disks.digest(family.c.name, OBJECTS) == witness._expected


def test_a_flatten_that_is_asked_for(driver, family, witness):
    """B has a child: nobody flattens it, whoever asks."""
    pool, chains = driver._backend.pool, driver._backend.chains
    chains.flattener.request(pool, family.b.name)
    assert not chains.flattener.settle(pool, family.b.name, 30)
    driver.delete_snapshot(family.a_snapshot)
    driver.delete_volume(family.a)
    assert witness.reads_its_bytes()
    assert pool.ancestry.depth(family.b.name) == 1


def test_the_depth_limit(ours, family, witness, disks):
    """C is at the limit and open; clones of it, and of B, leave it alone."""
    driver = ours(rbd_max_clone_depth=1)
    pool, chains = driver._backend.pool, driver._backend.chains
    for source, in_use in ((family.c, 'attached'), (family.b, 'detached')):
        source.attach_status = in_use
        clone = host.volume()
        driver.create_cloned_volume(clone, source)
        assert chains.flattener.settle(pool, clone.name, 60)
        assert pool.ancestry.depth(clone.name) <= 1
        assert witness.reads_its_bytes()
    driver.delete_snapshot(family.a_snapshot)
    driver.delete_volume(family.a)
    assert witness.reads_its_bytes()


def test_the_open_leaf_itself(driver, family, witness, disks):
    """C is open: it is flattened when its last client has closed it."""
    pool, chains = driver._backend.pool, driver._backend.chains
    depth = pool.ancestry.depth(family.c.name)
    chains.flattener.request(pool, family.c.name)
    assert not chains.flattener.settle(pool, family.c.name, 60)
    assert pool.ancestry.depth(family.c.name) == depth
    for snapshot in (family.b_snapshot, family.a_snapshot):
        driver.delete_snapshot(snapshot)
    for volume in (family.b, family.a):
        driver.delete_volume(volume)
    assert witness.reads_its_bytes()


def test_a_reader_of_a_snapshot(driver, family, hold, disks, clone_format):
    """A backup reads B's snapshot while B's ancestors go."""
    expected = disks.digest(family.b.name, OBJECTS)
    reader = hold(f'volumes/{family.b.name}@{family.b_snapshot.name}',
                  writable=False)
    chains = driver._backend.chains
    chains.flattener.request(driver._backend.pool, family.b.name)
    chains.flattener.settle(driver._backend.pool, family.b.name, 30)
    driver.delete_snapshot(family.a_snapshot)
    driver.delete_volume(family.a)
    assert reader.read(0, OBJECTS * disks.OBJECT) == expected


def test_a_repair_of_leaks(driver, intree, family, witness, hold, disks):
    """Of what our driver has put out of sight, and of what Cinder's left."""
    source, clone = host.volume(), host.volume()
    intree.create_volume(source)
    disks.write(source.name, 0, 'source')
    intree.create_cloned_volume(clone, source)
    intree.delete_volume(source)  # stays as <name>.deleted
    other = Witness(hold, disks, clone.name)
    driver.delete_snapshot(family.a_snapshot)
    driver.delete_volume(family.a)
    driver.delete_snapshot(family.b_snapshot)
    driver.delete_volume(family.b)
    backend = driver._backend
    remains = leaks.Leaks(backend.pool, backend.settings.chains.rules,
                          {family.c.id: 'in-use', clone.id: 'in-use'}.get)

    found = remains.find()
    assert found
    for one in found:
        remains.repair(one)

    assert witness.reads_its_bytes()
    assert other.reads_its_bytes()
    assert disks.digest(family.c.name, OBJECTS) == witness._expected


def test_the_eviction_of_a_cached_image(ours, disk, disks, hold):
    driver = ours(image_volume_cache_enabled=True)
    volume = host.volume()
    driver.clone_image(context.get_admin_context(), volume, (None, None),
                       host.image_meta(disk, 'raw'), host.ImageService(disk))
    disks.write(volume.name, 2, 'guest')
    witness = Witness(hold, disks, volume.name)
    store = driver._backend.store
    (entry,) = store.entries()

    store.retire(entry.name)
    driver._backend.sweep(lambda _image_id: False)

    assert store.entries() == []
    assert witness.reads_its_bytes()
    assert disks.digest(volume.name, OBJECTS) == witness._expected
