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
"""Clones: exact size, own metadata, and nothing left of a failure."""

import pytest
import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph.images import inheritance
from rbd_imgdriver.ceph.wire import header

MIB = 2**20
PARENT = clones.SnapshotSpec('volumes', 'parent', 'snap')


@pytest.fixture
def parent(pool):
    pool.images.create('parent', 8 * MIB, 22, {'plain': 'inherited'})
    pool.snapshots.ensure('parent', 'snap')
    return pool


def test_a_clone_has_the_size_and_order_asked_for(parent, ioctx):
    parent.clones.clone(clones.CloneSpec(PARENT, 'same', size=8 * MIB))
    parent.clones.clone(
        clones.CloneSpec(PARENT, 'larger', size=20 * MIB, order=24))

    assert parent.headers.size('same') == 8 * MIB
    assert parent.headers.size('larger') == 20 * MIB
    with rbd.Image(ioctx, 'larger') as image:
        assert image.stat()['order'] == 24


def test_metadata_of_the_parent_that_means_the_parent_stays_there(parent):
    parent.headers.update('parent', {
        'rbd-imgdriver/cache/rbd_id': 'x', 'conf_rbd_qos_iops_limit': '5',
        inheritance.BALANCED_READS: 'true'})

    parent.clones.clone(clones.CloneSpec(
        PARENT, 'child', metadata={'rbd-imgdriver/strategy': 's'}))

    assert parent.headers.metadata('child') == {
        'plain': 'inherited', 'rbd-imgdriver/strategy': 's'}


@pytest.fixture
def cloned(parent):
    """The parent's size and objects are known from its first clone."""
    parent.clones.clone(clones.CloneSpec(PARENT, 'first', 8 * MIB, 22))
    return parent


def test_a_parent_that_is_known(cloned, ioctx):
    for name, size in ('second', 8 * MIB), ('larger', 20 * MIB):
        cloned.clones.clone(clones.CloneSpec(PARENT, name, size, 22))
        with rbd.Image(ioctx, name) as image:
            assert image.size() == size
            assert image.stat()['order'] == 22
    with pytest.raises(clones.SourceTooLarge):
        cloned.clones.clone(clones.CloneSpec(PARENT, 'third', 4 * MIB, 22))


@pytest.mark.parametrize(('size', 'order'), [
    (8 * MIB, 22), (16 * MIB, 24), (32 * MIB, 24)])
def test_another_parent_of_that_name(cloned, ioctx, contents, size, order):
    """Nothing that was known of the first one holds for it."""
    cloned.images.rename('parent', 'old')
    cloned.images.create('parent', 16 * MIB, order)
    cloned.snapshots.ensure('parent', 'snap')
    spec = clones.CloneSpec(PARENT, 'child', size, 22)
    if size < 16 * MIB:
        with pytest.raises(clones.SourceTooLarge):
            cloned.clones.clone(spec)
        assert contents() == (['first', 'old', 'parent'], [])
        return
    cloned.clones.clone(spec)
    with rbd.Image(ioctx, 'child') as image:
        assert image.size() == size
        assert image.stat()['order'] == order
        assert image.parent_id() == header.image_id(ioctx, 'parent')
    assert contents() == (['child', 'first', 'old', 'parent'], [])


def test_another_snapshot_of_that_name(cloned):
    """It is larger than the one that is known."""
    cloned.snapshots.remove('parent', 'snap')
    cloned.images.resize('parent', 16 * MIB)
    cloned.snapshots.ensure('parent', 'snap')
    cloned.clones.clone(clones.CloneSpec(PARENT, 'child', 20 * MIB, 22))
    assert cloned.headers.size('child') == 20 * MIB
    with pytest.raises(clones.SourceTooLarge):
        cloned.clones.clone(clones.CloneSpec(PARENT, 'other', 8 * MIB, 22))


def test_a_parent_that_is_too_large_leaves_nothing(parent, contents):
    with pytest.raises(clones.SourceTooLarge) as caught:
        parent.clones.clone(clones.CloneSpec(PARENT, 'child', size=4 * MIB))

    assert caught.value.size == 8 * MIB
    assert contents() == (['parent'], [])


@pytest.mark.parametrize(('missing', 'error'), [
    (clones.SnapshotSpec('volumes', 'parent', 'no'), errors.SnapshotNotFound),
    (clones.SnapshotSpec('volumes', 'no', 'snap'), errors.ImageNotFound),
    (clones.SnapshotSpec('no', 'parent', 'snap'), errors.PoolNotFound),
])
def test_what_is_missing_is_told_apart(parent, contents, missing, error):
    with pytest.raises(error):
        parent.clones.clone(clones.CloneSpec(missing, 'child'))
    assert contents() == (['parent'], [])


def test_an_image_of_that_name_is_left_alone(parent):
    parent.images.create('child', 4 * MIB, 22)
    with pytest.raises(errors.ImageExists):
        parent.clones.clone(clones.CloneSpec(PARENT, 'child'))
    assert parent.headers.size('child') == 4 * MIB


def test_a_copy_has_no_parent(parent, ioctx):
    parent.clones.copy(clones.CloneSpec(PARENT, 'copy', size=12 * MIB))

    assert parent.headers.size('copy') == 12 * MIB
    with rbd.Image(ioctx, 'copy') as image, \
            pytest.raises(rbd.ImageNotFound):
        image.parent_info()


def test_a_clone_from_a_pool_that_may_only_be_read(pool, glance_image,
                                                   ioctx):
    glance_image('image')
    spec = clones.SnapshotSpec('images', 'image', 'snap')

    pool.clones.clone(clones.CloneSpec(spec, 'child', size=32 * MIB, order=22))

    # The parent's objects are of 8 MiB; a clone's may not be smaller.
    with rbd.Image(ioctx, 'child') as image:
        assert image.stat()['order'] == 23
        assert image.parent_info() == ('images', 'image', 'snap')
