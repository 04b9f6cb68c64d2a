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
"""Volumes from volumes and from snapshots."""

from cinder import context
import pytest
import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from tests.functional import host

GIB = 2**30


@pytest.fixture
def source(driver, disks):
    """A volume with some data."""
    volume = host.volume()
    driver.create_volume(volume)
    for number in range(3):
        disks.write(volume.name, number, f'S{number};')
    return volume


def clone(driver, source, size=None, **facts):
    volume = host.volume(size or source.size, **facts)
    driver.create_cloned_volume(volume, source)
    return volume


def test_a_clone(driver, disks, source):
    made = clone(driver, source)
    assert disks.digest(made.name, 4) == disks.digest(source.name, 4)
    assert disks.parent(made.name) == ('volumes', source.name,
                                       f'{made.name}.clone_snap')
    assert disks.size(made.name) == GIB


def test_a_larger_clone(driver, disks, source):
    made = clone(driver, source, 3)
    assert disks.digest(made.name, 4) == disks.digest(source.name, 4)
    assert disks.size(made.name) == 3 * GIB


def test_a_source_of_odd_size_keeps_it(driver, disks, source):
    """An encrypted volume is larger than its GiB by its header."""
    with disks.open(source.name, read_only=False) as image:
        image.resize(GIB + 2**21)
    assert disks.size(clone(driver, source).name) == GIB + 2**21


def test_an_encrypted_volume_from_a_snapshot_grows_by_the_difference(
        driver, disks, source):
    with disks.open(source.name, read_only=False) as image:
        image.resize(GIB + 2**21)
    snapshot = host.snapshot(source)
    driver.create_snapshot(snapshot)
    volume = host.volume(2, encryption_key_id='key')
    driver.create_volume_from_snapshot(volume, snapshot)
    assert disks.size(volume.name) == 2 * GIB + 2**21


def test_an_unchanged_source_has_one_snapshot(driver, disks, source):
    made = [clone(driver, source) for _ in range(5)]
    assert disks.snapshots(source.name) == [f'{made[0].name}.clone_snap']
    assert {disks.digest(one.name, 4) for one in made} \
        == {disks.digest(source.name, 4)}


@pytest.mark.parametrize('change', ['write', 'new-object', 'discard',
                                    'resize'])
def test_a_changed_source_gets_another_snapshot(driver, disks, source,
                                                change):
    clone(driver, source)
    with disks.open(source.name, read_only=False) as image:
        if change == 'write':
            image.write(b'new', 0)
        elif change == 'new-object':
            image.write(b'new', 9 * disks.OBJECT)
        elif change == 'discard':
            image.discard(0, disks.OBJECT)
        else:
            image.resize(2 * GIB)
    made = clone(driver, source)
    assert len(disks.snapshots(source.name)) == 2
    assert disks.digest(made.name, 10) == disks.digest(source.name, 10)
    clone(driver, source)
    assert len(disks.snapshots(source.name)) == 2


def test_an_attached_source_gets_another_snapshot(driver, disks, source):
    clone(driver, source)
    source.attach_status = 'attached'
    clone(driver, source)
    assert len(disks.snapshots(source.name)) == 2


def test_a_source_that_a_client_writes_to_gets_another_snapshot(
        driver, disks, source, hold):
    """Attached or not, as far as Cinder knows."""
    clone(driver, source)
    guest = hold(f'volumes/{source.name}')
    guest.write(0, 4096, 'guest')
    clone(driver, source)
    assert len(disks.snapshots(source.name)) == 2


def test_an_invalid_object_map_is_not_believed(driver, disks, source):
    clone(driver, source)
    with disks.open(source.name, read_only=False) as image:
        maps = rbd.RBD_FEATURE_OBJECT_MAP | rbd.RBD_FEATURE_FAST_DIFF
        image.update_features(maps, False)
        image.write(b'unseen', 0)
        image.update_features(maps, True)
        assert image.flags(), 'they are invalid until they are rebuilt'
    made = clone(driver, source)
    assert disks.digest(made.name, 4) == disks.digest(source.name, 4)
    assert len(disks.snapshots(source.name)) == 2


def test_a_snapshot_that_went_with_its_last_clone(driver, disks, source):
    first = clone(driver, source)
    driver.delete_volume(first)
    assert disks.snapshots(source.name) == []
    made = clone(driver, source)
    assert disks.snapshots(source.name) == [f'{made.name}.clone_snap']


def test_the_format_of_new_clones(driver, source, clone_format):
    """As librbd decides it; see also the probe of doctor."""
    pool = driver._pool
    with pool.cluster.checked_out():
        assert pool.cluster.clone_format == clone_format
    assert pool.clones.probe('.partial-probe', 'snap') == clone_format


@pytest.mark.parametrize('clone_format', [1], ids=['v1'], indirect=True)
def test_a_snapshot_that_is_just_being_freed_is_none(driver, disks, source,
                                                     contents, monkeypatch):
    """One of format 1 is unprotected first.

    librbd 16 spoils its memory when it has to refuse that.
    """
    class NeverAsked(rbd.RBD):
        def clone(self, *_: object, **__: object) -> None:
            raise AssertionError('librbd was asked')

    monkeypatch.setattr(rbd, 'RBD', NeverAsked)
    with disks.open(source.name, read_only=False) as image:
        image.create_snap('snap')
    parent = clones.SnapshotSpec('volumes', source.name, 'snap')

    with pytest.raises(errors.SnapshotNotFound) as refused:
        driver._pool.clones.clone(clones.CloneSpec(parent, 'volume-x'))

    assert refused.value.code == 'invalid-argument'
    assert contents() == ([source.name], [])


def test_a_golden_image_that_is_just_being_freed(ours, disks, disk, contents):
    """The volume is made all the same, of data that is read again."""
    driver = ours(image_volume_cache_enabled=True)
    meta = host.image_meta(disk, 'raw')

    def create():
        volume = host.volume()
        assert driver.clone_image(
            context.get_admin_context(), volume, (None, []), meta,
            host.ImageService(disk))[1]
        return volume

    first = create()
    (golden,) = [name for name in contents()[0] if name != first.name]
    disks.remove(first.name, 'volumes')
    with disks.open(golden, read_only=False) as image:
        for snapshot in list(image.list_snaps()):
            if image.is_protected_snap(snapshot['name']):
                image.unprotect_snap(snapshot['name'])

    assert disks.digest(create().name, 4) == disks.digest(golden, 4)


def test_what_an_earlier_attempt_left_is_not_used(driver, disks, source):
    volume = host.volume()
    driver._pool.snapshots.create(source.name, f'{volume.name}.clone_snap')
    disks.write(source.name, 0, 'later;')
    driver.create_cloned_volume(volume, source)
    assert disks.text(volume.name, 0).startswith('later;')


def test_a_failed_clone_leaves_nothing(driver, disks, source, contents):
    """The name is taken: the image of that name and the source stay."""
    volume = host.volume()
    driver._pool.images.create(volume.name, GIB, 22)
    with pytest.raises(Exception, match='exists'):
        driver.create_cloned_volume(volume, source)
    assert disks.snapshots(source.name) == []
    assert contents() == (sorted([source.name, volume.name]), [])


@pytest.mark.parametrize('in_use', [False, True])
@pytest.mark.parametrize('is_clone', [False, True])
def test_a_full_copy(ours, disks, source, in_use, is_clone):
    driver = ours(rbd_max_clone_depth=0)
    if is_clone:
        source = clone(ours(), source)
        disks.write(source.name, 1, 'own;')
    source.attach_status = 'attached' if in_use else 'detached'
    made = clone(driver, source, 2)
    assert disks.parent(made.name) is None
    assert disks.digest(made.name, 4) == disks.digest(source.name, 4)
    assert disks.size(made.name) == 2 * GIB
    assert disks.snapshots(source.name) == []


def chain(driver, source, length):
    """Clones of clones, the source first."""
    found = [source]
    for _ in range(length):
        found.append(clone(driver, found[-1]))
    return found


def settle(driver, *volumes):
    for volume in volumes:
        assert driver._chains.flattener.settle(driver._pool, volume.name, 60)


def test_at_the_limit_a_lone_source_is_flattened(ours, disks, source):
    """The new volume does not wait for it."""
    driver = ours(rbd_max_clone_depth=2)
    family = chain(driver, source, 2)
    disks.write(family[2].name, 1, 'own;')
    expected = disks.digest(family[2].name, 4)
    sibling = clone(driver, family[2], 2)
    assert disks.parent(sibling.name) == ('volumes', family[1].name,
                                          f'{family[2].name}.clone_snap')
    assert disks.size(sibling.name) == 2 * GIB
    settle(driver, family[2])
    later = clone(driver, family[2])
    assert [driver._pool.ancestry.depth(one.name)
            for one in (*family, sibling, later)] == [0, 1, 0, 2, 1]
    for one in (family[2], sibling, later):
        assert disks.digest(one.name, 4) == expected


def test_at_the_limit_a_lone_source_with_much_data(ours, disks, source):
    """Its copy would hold up the create: the clone is flattened instead."""
    driver = ours(rbd_max_clone_depth=1)
    parent = clone(driver, source)
    with disks.open(parent.name, read_only=False) as image:
        for number in range(65):
            image.write(b'own', number * disks.OBJECT)
    made = clone(driver, parent)
    settle(driver, made)
    assert driver._pool.ancestry.depth(parent.name) == 1
    assert driver._pool.ancestry.depth(made.name) == 0
    assert disks.digest(made.name, 66) == disks.digest(parent.name, 66)


@pytest.mark.parametrize('in_use', [False, True])
def test_at_the_limit_a_clone_of_a_source_in_use_is_flattened(
        ours, disks, source, in_use):
    """A source that is attached, or that has children, is left alone."""
    driver = ours(rbd_max_clone_depth=1)
    parent = clone(driver, source)
    if in_use:
        parent.attach_status = 'attached'
    else:
        snapshot = host.snapshot(parent)
        driver.create_snapshot(snapshot)
    made = clone(driver, parent)
    settle(driver, made)
    assert driver._pool.ancestry.depth(parent.name) == 1
    assert driver._pool.ancestry.depth(made.name) == 0
    assert disks.digest(made.name, 4) == disks.digest(source.name, 4)
    assert not any(one.endswith('clone_snap')
                   for one in disks.snapshots(parent.name))


def test_depth_counts_glance_snapshots_and_other_pools(
        ours, glance_image, disk, disks):
    from cinder import context

    driver, other = ours(), ours('volumes2')
    meta = host.image_meta(disk, 'raw')
    volume = host.volume()
    driver.clone_image(context.get_admin_context(), volume,
                       (glance_image(meta['id']), None), meta, None)
    assert driver._pool.ancestry.depth(volume.name) == 1
    snapshot = host.snapshot(volume)
    driver.create_snapshot(snapshot)
    second = host.volume()
    driver.create_volume_from_snapshot(second, snapshot)
    assert driver._pool.ancestry.depth(second.name) == 2
    driver._chains.move(second.name, 'volumes2')
    third = clone(other, second)
    assert other._pool.ancestry.depth(third.name) == 3


def test_a_volume_from_a_snapshot_at_the_limit(ours, source):
    driver = ours(rbd_max_clone_depth=1)
    parent = clone(driver, source)
    snapshot = host.snapshot(parent)
    driver.create_snapshot(snapshot)
    made = host.volume()
    driver.create_volume_from_snapshot(made, snapshot)
    settle(driver, made)
    assert driver._pool.ancestry.depth(made.name) == 0


def test_flatten_volume_from_snapshot(ours, disks, source):
    driver = ours(rbd_flatten_volume_from_snapshot=True)
    snapshot = host.snapshot(source)
    driver.create_snapshot(snapshot)
    made = host.volume()
    driver.create_volume_from_snapshot(made, snapshot)
    settle(driver, made)
    assert disks.parent(made.name) is None
    assert disks.digest(made.name, 4) == disks.digest(source.name, 4)
    driver.delete_snapshot(snapshot)
    assert disks.snapshots(source.name) == []


def test_a_temporary_volume_is_not_flattened(ours, source):
    """Cinder's backup makes one of an attached volume, and removes it."""
    driver = ours(rbd_max_clone_depth=1,
                  rbd_flatten_volume_from_snapshot=True)
    parent = clone(driver, source)
    parent.attach_status = 'attached'
    made = clone(driver, parent, use_quota=False)
    assert driver._pool.ancestry.depth(made.name) == 2
    assert 'rbd-imgdriver/flatten' not in driver._pool.headers.metadata(
        made.name)


def test_a_chain_never_grows_by_more_than_one(ours, source):
    """However fast volumes are made of each other and snapshotted."""
    driver = ours(rbd_max_clone_depth=1, rbd_concurrent_flatten_operations=1)
    volume, deepest = source, 0
    for _ in range(4):
        snapshot = host.snapshot(volume)
        driver.create_snapshot(snapshot)
        volume = host.volume()
        driver.create_volume_from_snapshot(volume, snapshot)
        deepest = max(deepest, driver._pool.ancestry.depth(volume.name))
    assert deepest <= 2


@pytest.mark.parametrize('limit', [0, 1, 5])
def test_a_source_larger_than_cinder_knows(ours, disks, source, contents,
                                           limit):
    """An operator ran ``rbd resize``: nothing is ever cut off."""
    driver = ours(rbd_max_clone_depth=limit)
    volume = clone(ours(), source)
    with disks.open(volume.name, read_only=False) as image:
        image.resize(4 * GIB)
        image.write(b'tail', 3 * GIB)
    before = contents()
    with pytest.raises(Exception, match='ask for a larger one'):
        clone(driver, volume, 2)
    assert contents() == before
    assert disks.snapshots(volume.name) == []
    for size in (None, 4, 5):
        made = clone(driver, volume, size)
        assert disks.size(made.name) == max(size or 0, 4) * GIB
        with disks.open(made.name) as image:
            assert image.read(3 * GIB, 4) == b'tail'
