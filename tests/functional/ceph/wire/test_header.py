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
"""The header read by object-class calls says what librbd says."""

import pytest
import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.wire import header

MIB = 2**20


@pytest.fixture
def parent(ioctx):
    rbd.RBD().create(ioctx, 'parent', 12 * MIB, 23, old_format=False,
                     features=61)
    with rbd.Image(ioctx, 'parent') as image:
        image.write(b'data', 0)
        image.create_snap('snap')
        image.protect_snap('snap')


@pytest.fixture
def clone(ioctx, parent):
    rbd.RBD().clone(ioctx, 'parent', 'snap', ioctx, 'clone', features=61)
    return header.image_id(ioctx, 'clone')


def test_id_size_and_order(ioctx, parent):
    id_ = header.image_id(ioctx, 'parent')
    with rbd.Image(ioctx, 'parent') as image:
        assert id_ == image.id()
        assert header.size(ioctx, id_) == (image.size(), 23)


@pytest.mark.parametrize('features', [1, 5, 29, 61])
def test_features_and_flags(ioctx, parent, features):
    rbd.RBD().clone(ioctx, 'parent', 'snap', ioctx, 'other',
                    features=features)
    id_ = header.image_id(ioctx, 'other')
    with rbd.Image(ioctx, 'other', read_only=True) as image:
        # librbd notes there, too, that it is a clone.
        assert header.features(ioctx, id_) == image.features()
        assert image.features() & 61 == features
        assert header.flags(ioctx, id_) == image.flags() == 0


def test_a_map_that_was_not_rebuilt_is_flagged(ioctx, parent):
    id_ = header.image_id(ioctx, 'parent')
    maps = rbd.RBD_FEATURE_OBJECT_MAP | rbd.RBD_FEATURE_FAST_DIFF
    with rbd.Image(ioctx, 'parent') as image:
        image.update_features(maps, False)
        image.update_features(maps, True)
    with rbd.Image(ioctx, 'parent', read_only=True) as image:
        assert header.flags(ioctx, id_) == image.flags()
        assert header.flags(ioctx, id_) & rbd.RBD_FLAG_OBJECT_MAP_INVALID


def test_protected_or_not(ioctx, parent):
    id_ = header.image_id(ioctx, 'parent')
    with rbd.Image(ioctx, 'parent') as image:
        image.create_snap('other')
    by_name = {one.name: one.id for one in header.snapshots(ioctx, id_)}
    assert header.is_protected(ioctx, id_, by_name['snap'])
    assert not header.is_protected(ioctx, id_, by_name['other'])
    with pytest.raises(errors.SnapshotNotFound):
        header.is_protected(ioctx, id_, 999)


def test_who_has_written_has_the_lock(ioctx, parent):
    id_ = header.image_id(ioctx, 'parent')
    with rbd.Image(ioctx, 'parent') as image:
        assert not header.is_locked(ioctx, id_)
        image.write(b'more', 0)
        assert header.is_locked(ioctx, id_)
    assert not header.is_locked(ioctx, id_)


def test_there_is_no_such_image(ioctx):
    with pytest.raises(errors.ImageNotFound, match='absent'):
        header.image_id(ioctx, 'absent')


def test_the_parent_is_the_one_librbd_names(ioctx, clone):
    ref = header.parent(ioctx, clone)
    with rbd.Image(ioctx, 'clone') as image:
        assert ref.image_id == image.parent_id()
    assert ref.pool_id == ioctx.get_pool_id()
    assert ref.namespace == ''


def test_the_parent_is_found_in_the_trash(ioctx, clone):
    before = header.parent(ioctx, clone)
    rbd.RBD().trash_move(ioctx, 'parent', 0)

    assert header.parent(ioctx, clone) == before
    assert header.size(ioctx, before.image_id) == (12 * MIB, 23)


def test_no_parent_and_no_parent_any_more(ioctx, clone):
    parent_id = header.image_id(ioctx, 'parent')
    assert header.parent(ioctx, parent_id) is None
    with rbd.Image(ioctx, 'clone') as image:
        image.flatten()
    assert header.parent(ioctx, clone) is None


def test_metadata_is_what_librbd_lists(ioctx, clone):
    # More than one page, keys that sort around each other, and UTF-8.
    values = {f'key/{n:03d}': f'wert-\u00fc-{n}' for n in range(150)}
    header.update_metadata(ioctx, clone, values)
    with rbd.Image(ioctx, 'clone') as image:
        image.metadata_set('by librbd', 'x' * 3000)
        listed = dict(image.metadata_list())

    assert header.metadata(ioctx, clone) == listed
    assert len(listed) == 151


def test_metadata_is_set_and_removed_together(ioctx, clone):
    header.update_metadata(ioctx, clone, {'a': '1', 'b': '2'})
    header.update_metadata(ioctx, clone, {'b': '3', 'c': '4'},
                           remove=['a', 'never there', 'c'])
    assert header.metadata(ioctx, clone) == {'b': '3', 'c': '4'}


def test_metadata_of_what_is_gone(ioctx, clone):
    rbd.RBD().remove(ioctx, 'clone')
    with pytest.raises(errors.ImageNotFound):
        header.metadata(ioctx, clone)
