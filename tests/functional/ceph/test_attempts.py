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
"""What a call leaves of its own failure, and of what others have made."""

import pytest
import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import attempts
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph.images import snapshots

MIB = 2**20
PARENT = clones.SnapshotSpec('volumes', 'parent', 'snap')
CHILD = clones.CloneSpec(PARENT, 'child', size=16 * MIB)


@pytest.fixture
def parent(pool):
    pool.images.create('parent', 8 * MIB, 22)
    pool.snapshots.ensure('parent', 'snap')
    return pool


@pytest.fixture
def librbd(monkeypatch):
    """Lets a function of librbd run, then say something else, once."""
    def replace(name, after):
        real = getattr(rbd.RBD, name)
        calls = []

        def call(self, *args, **kwargs):
            calls.append(args)
            if len(calls) > 1:
                return real(self, *args, **kwargs)
            return after(lambda: real(self, *args, **kwargs))

        monkeypatch.setattr(rbd.RBD, name, call)

    return replace


def fails_with(error):
    def after(call):
        call()
        raise error

    return after


@pytest.mark.parametrize('missing', [
    clones.SnapshotSpec('volumes', 'parent', 'no'),
    clones.SnapshotSpec('volumes', 'no', 'snap')])
def test_what_was_there_is_no_part_of_a_failed_clone(parent, missing):
    """As with an image of the target's name and no snapshot to clone."""
    id_ = parent.images.create('child', 4 * MIB, 22)
    with pytest.raises(errors.CephError):
        parent.clones.clone(clones.CloneSpec(missing, 'child'))
    assert parent.directory.id('child') == id_


def test_a_clone_that_timed_out_and_happened_is_undone(parent, contents,
                                                       librbd):
    librbd('clone', fails_with(rbd.Timeout('late', errno=110)))
    with pytest.raises(errors.TimedOut):
        parent.clones.clone(CHILD)
    assert contents() == (['parent'], [])


def test_a_creation_that_timed_out_and_happened_is_undone(pool, contents,
                                                          librbd):
    """Else an import's image stays that carries no mark of ours."""
    librbd('create', fails_with(rbd.Timeout('late', errno=110)))
    with pytest.raises(errors.TimedOut):
        pool.images.create('image', 4 * MIB, 22, {'a': '1'})
    assert contents() == ([], [])


def test_a_creation_that_timed_out_undoes_no_other_image(pool, librbd):
    def after(call):
        del call
        pool.images.create('image', 8 * MIB, 22)
        raise rbd.Timeout('late', errno=110)

    librbd('create', after)
    with pytest.raises(errors.TimedOut):
        pool.images.create('image', 4 * MIB, 22)
    assert pool.headers.size('image') == 8 * MIB


class Late(rbd.Image):
    """Protects a snapshot, and says so too late.

    Not within the test: an image that is collected closes itself, and its
    class must not have been collected before.
    """

    def protect_snap(self, name):
        super().protect_snap(name)
        raise rbd.Timeout('late', errno=110)


def test_a_snapshot_that_was_protected_too_late_is_undone(parent,
                                                          monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(rbd, 'Image', Late)
        with pytest.raises(errors.TimedOut) as raised:
            parent.snapshots.create('parent', 'mine')
    assert not hasattr(raised.value, '__notes__')
    id_ = parent.directory.id('parent')
    assert [one.name for one in parent.snapshots.entries(id_)] == ['snap']


def test_another_image_that_came_meanwhile_is_not(parent, librbd):
    def after(call):
        del call
        parent.images.create('child', 4 * MIB, 22)
        raise rbd.Timeout('late', errno=110)

    librbd('clone', after)
    with pytest.raises(errors.TimedOut):
        parent.clones.clone(CHILD)
    assert parent.headers.size('child') == 4 * MIB


def test_the_second_try_of_a_clone_finds_the_first(parent, librbd):
    """The client was blocklisted, and could undo nothing, after the clone."""
    librbd('clone', fails_with(rbd.ConnectionShutdown('fenced', errno=108)))
    librbd('remove', lambda call: None)

    id_ = parent.clones.clone(CHILD)

    assert parent.directory.id('child') == id_
    assert parent.headers.size('child') == 16 * MIB


def test_the_second_try_of_a_creation_finds_the_first(pool, librbd):
    librbd('create', fails_with(rbd.ConnectionShutdown('fenced', errno=108)))
    id_ = pool.images.create('image', 4 * MIB, 22, {'a': '1'})
    assert pool.directory.id('image') == id_
    assert pool.headers.metadata('image') == {'a': '1'}


def test_the_second_try_of_a_snapshot_finds_the_first(parent, ioctx):
    attempt = attempts.Attempt()
    snapshots.create_protected(ioctx, 'parent', 'mine', attempt)
    snapshots.create_protected(ioctx, 'parent', 'mine', attempt)
    with pytest.raises(errors.SnapshotExists):
        snapshots.create_protected(ioctx, 'parent', 'mine',
                                   attempts.Attempt())


@pytest.mark.parametrize('most', [None, 2**30])
def test_a_copy_takes_no_name_that_is_taken(parent, most):
    parent.images.create('child', 4 * MIB, 22)
    with pytest.raises(errors.ImageExists):
        parent.copies.unused_head('parent', 'child', most)
    assert parent.headers.size('child') == 4 * MIB
