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
"""What clones, cache and importer rest on, kept in memory and by Ceph."""

import ast
import contextlib
import hashlib
import inspect
import pathlib

import pytest

from rbd_imgdriver.ceph import dry_run
from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph.images import flatten
from rbd_imgdriver.ceph.images import layouts
from rbd_imgdriver.ceph import parts
from tests.contract import fake_pool

MIB = 2**20
OBJECT = 4 * MIB
PARENT = clones.SnapshotSpec('volumes', 'parent', 'snap')
DATA = b'some data' * 1000


def write(pool, image, offset, data):
    with opened(pool, image) as writer:
        writer.write_at((offset, data))


def opened(pool, image):
    return contextlib.closing(pool.data.writer(image))


def read(pool, image):
    """What an image holds, as {offset: data} without the zeros behind it."""
    reader = pool.data.reader(image)
    found = {}
    while (piece := reader.next()) is not None:
        offset, data = piece
        found[offset] = data.rstrip(b'\0')
    reader.close()
    return found


@pytest.fixture
def parent(pool):
    """An image with data in its first object, and a snapshot."""
    pool.images.create('parent', 4 * OBJECT, 22, {'a': '1'})
    write(pool, 'parent', 0, DATA)
    pool.snapshots.create('parent', 'snap')
    return pool


@pytest.fixture
def child(parent):
    """A clone of it."""
    parent.clones.clone(clones.CloneSpec(PARENT, 'child'))
    return parent


def test_the_handle(pool):
    assert pool.sibling('volumes2').name == 'volumes2'
    assert pool.sibling('volumes2').fsid() == pool.fsid()
    assert 'version' in pool.mon_command('version')
    with pytest.raises(errors.CephError):
        pool.mon_command('no such command')
    with pytest.raises(errors.CephError):
        pool.mgr_command('no such command')
    assert pool.option('rbd_default_clone_format') == 'auto'
    assert pool.credentials().user == 'cinder'
    assert pool.capacity().free > 0


def test_which_pool_holds_an_image(pool):
    pool.sibling('volumes2').images.create('there', OBJECT, 22)
    assert pool.holding('there').name == 'volumes2'
    assert pool.holding('nowhere') is None


def test_a_pool_that_there_is_not(pool):
    with pytest.raises(errors.PoolNotFound):
        pool.sibling('nowhere').directory.exists('image')


def test_ids_of_images(pool):
    pool.images.create('b', OBJECT, 22)
    pool.images.create('a', OBJECT, 22)
    assert pool.directory.ids() == {'a': pool.directory.id('a'),
                                    'b': pool.directory.id('b')}
    with pytest.raises(errors.ImageNotFound):
        pool.directory.id('c')


def test_metadata_by_id(pool):
    pool.images.create('image', OBJECT, 22)
    pool.images.create('other', OBJECT, 22)
    id_ = pool.directory.id('image')
    pool.headers.update_id(id_, {'key': '1', 'more': '2'})
    pool.headers.update_id(id_, {}, ['more'])
    assert pool.headers.value(id_, 'key') == '1'
    assert pool.headers.value(id_, 'more') is None
    assert pool.headers.value('cafe', 'key') is None
    assert pool.directory.values('key') == {id_: '1'}


def test_metadata_only_if_they_are_what_they_were(pool):
    pool.images.create('image', OBJECT, 22, {'other': 'stays'})
    id_ = pool.directory.id('image')
    with pytest.raises(errors.Stale):
        pool.headers.update_id(id_, {'key': '2'}, ['other'], {'key': '1'})
    assert pool.headers.metadata('image') == {'other': 'stays'}
    pool.headers.update_id(id_, {'key': '1'})
    with pytest.raises(errors.Stale):
        pool.headers.update_id(id_, {}, ['key'], {'key': '2'})
    pool.headers.update_id(id_, {'key': '2'}, ['other'], {'key': '1'})
    assert pool.headers.metadata('image') == {'key': '2'}
    with pytest.raises(errors.Stale):
        pool.headers.update_id('cafe', {'key': '2'}, [], {'key': '1'})
    assert pool.headers.value('cafe', 'key') is None


def test_sizes_and_snapshots_of_many(parent):
    parent.images.create('bare', 3 * OBJECT, 22)
    ids = parent.directory.ids()
    wanted = [ids['parent'], ids['bare'], 'cafe']

    assert parent.directory.sizes(wanted)[ids['bare']] == 3 * OBJECT
    assert parent.directory.sizes(wanted).keys() == set(wanted[:2])
    found = parent.directory.snapshots(wanted)
    assert found.keys() == {ids['parent']}
    assert [one.name for one in found[ids['parent']]] == ['snap']


def test_a_rename_that_was_not_cut_short(parent):
    id_ = parent.directory.id('parent')
    assert not parent.images.finish_rename('parent', 'other', id_)
    assert not parent.images.finish_rename('other', 'parent', 'cafe')


def test_data(pool):
    pool.images.create('image', 4 * OBJECT, 22)
    id_ = pool.directory.id('image')
    with opened(pool, 'image') as writer:
        assert pool.usage.is_watched(id_)
        assert pool.usage.watched([id_, 'cafe']) == {id_}
        writer.write(DATA)
        writer.write(bytes(OBJECT - len(DATA)))
        writer.write(b'')
        writer.write_at((2 * OBJECT, DATA))
        assert writer.written >= 2 * len(DATA)
    assert not pool.usage.is_watched(id_)
    assert pool.usage.watched([id_]) == frozenset()
    assert read(pool, 'image') == {0: DATA, 2 * OBJECT: DATA}


def test_a_writer_that_is_abandoned(pool):
    id_ = pool.images.create('image', OBJECT, 22)
    writer = pool.data.writer('image')
    writer.write(DATA)
    assert pool.usage.is_watched(id_)
    writer.abandon()
    assert not pool.usage.is_watched(id_)
    pool.images.remove('image')


def test_zeroing(pool):
    pool.images.create('image', 2 * OBJECT, 22)
    write(pool, 'image', 0, DATA)
    with opened(pool, 'image') as writer:
        writer.zero(0, OBJECT)
    assert b''.join(read(pool, 'image').values()) == b''


def test_the_digest_of_a_snapshot(parent):
    write(parent, 'parent', 0, b'later')
    done = []
    found = parent.data.digest('parent', 'snap', 'sha256', 2 * OBJECT,
                               done.append)
    assert found == hashlib.sha256(DATA.ljust(2 * OBJECT, b'\0')).hexdigest()
    assert done[-1] == 2 * OBJECT
    with pytest.raises(errors.SnapshotNotFound):
        parent.data.digest('parent', 'none', 'sha256', 1, done.append)
    with pytest.raises(errors.ImageNotFound):
        parent.data.digest('none', 'snap', 'sha256', 1, done.append)


def test_the_layout(pool):
    pool.images.create('image', OBJECT, 22)
    pool.data.check_layout('image', OBJECT, 22)
    with pytest.raises(layouts.WrongLayout):
        pool.data.check_layout('image', OBJECT, 23)
    with pytest.raises(layouts.WrongLayout):
        pool.data.check_layout('image', 2 * OBJECT, 22)
    assert pool.data.pool() == ''


def test_resizing(parent):
    parent.images.resize('parent', 8 * OBJECT)
    assert parent.headers.size('parent') == 8 * OBJECT
    parent.images.resize('parent', OBJECT)
    assert parent.headers.size('parent') == OBJECT
    with pytest.raises(errors.ImageNotFound):
        parent.images.resize('none', OBJECT)


def test_an_image_that_is_open_is_not_removed(pool):
    pool.images.create('image', OBJECT, 22)
    with opened(pool, 'image'), pytest.raises(errors.ImageBusy):
        pool.images.remove('image')
    pool.images.remove('image')


def test_a_snapshot_is_made_once(parent):
    with pytest.raises(errors.SnapshotExists):
        parent.snapshots.create('parent', 'snap')
    parent.snapshots.ensure('parent', 'snap')
    with pytest.raises(errors.ImageNotFound):
        parent.snapshots.create('none', 'snap')
    with pytest.raises(errors.ImageNotFound):
        parent.snapshots.ensure('none', 'snap')


def test_the_snapshots_of_an_image(child):
    id_ = child.directory.id('parent')
    child.snapshots.create('parent', 'later')
    later, snap = child.snapshots.entries(id_)
    assert (later.name, later.size, later.children) == ('later', 4 * OBJECT,
                                                        0)
    assert (snap.name, snap.children, snap.trashed) == ('snap', 1, False)
    assert child.snapshots.counts() == {'parent': 2, 'child': 0}
    assert child.snapshots.entries('cafe') == []


def test_a_snapshot_with_clones_goes_out_of_sight(child):
    id_ = child.directory.id('parent')
    child.snapshots.remove('parent', 'snap')
    child.snapshots.remove('parent', 'snap')
    [one] = child.snapshots.entries(id_)
    assert one.trashed
    assert one.children == 1
    with pytest.raises(errors.SnapshotNotFound):
        child.clones.clone(clones.CloneSpec(PARENT, 'late'))
    with pytest.raises(errors.ImageHasSnapshots):
        child.images.remove('parent')
    assert read(child, 'child') == {0: DATA}

    child.images.remove('child')
    assert child.snapshots.entries(id_) == []
    child.images.remove('parent')


def test_snapshots_by_the_id_of_their_image(child):
    id_ = child.directory.id('parent')
    child.snapshots.create('parent', 'second')
    child.snapshots.rename(id_, 'second', 'renamed')
    with pytest.raises(errors.SnapshotExists):
        child.snapshots.rename(id_, 'snap', 'renamed')
    child.snapshots.drop(id_, 'snap', 'hidden')
    child.snapshots.drop(id_, 'snap', 'hidden')
    with pytest.raises(errors.SnapshotNotFound):
        child.snapshots.rename(id_, 'second', 'again')
    left = child.snapshots.drop_where(id_, lambda name: False)
    assert (left.named, left.trashed) == (('renamed',), 1)
    left = child.snapshots.drop_where(id_, lambda name: name == 'renamed')
    assert (left.named, left.trashed) == ((), 1)
    assert left
    child.images.remove('child')
    assert not child.snapshots.drop_where(id_, lambda name: True)


def test_a_snapshot_of_no_image_is_removed_already(pool):
    pool.snapshots.remove('none', 'snap')
    pool.snapshots.drop('cafe', 'snap', 'hidden')


def test_a_clone_inherits_no_metadata_of_ours(parent):
    parent.headers.update('parent', {'rbd-imgdriver/strategy': 'import'})
    parent.clones.clone(clones.CloneSpec(PARENT, 'child',
                                         metadata={'b': '2'}))
    assert parent.headers.metadata('child') == {'a': '1', 'b': '2'}


def test_a_clone_in_another_pool(parent):
    other = parent.sibling('volumes2')
    other.clones.clone(clones.CloneSpec(PARENT, 'child'))
    assert read(other, 'child') == {0: DATA}
    assert other.ancestry.depth('child') == 1
    [ancestor] = other.ancestry.of('child')
    assert str(ancestor) == 'volumes/parent@snap'
    [used_by] = parent.usage.of('parent').children
    assert used_by.name == 'volumes2/child'


def test_a_clone_holds_what_the_snapshot_held(parent):
    write(parent, 'parent', 0, b'later'.ljust(len(DATA), b'!'))
    parent.clones.clone(clones.CloneSpec(PARENT, 'child'))
    assert read(parent, 'child') == {0: DATA}


def test_a_copy_depends_on_nothing(parent):
    parent.clones.copy(clones.CloneSpec(PARENT, 'copy', size=8 * OBJECT))
    assert parent.headers.size('copy') == 8 * OBJECT
    assert parent.ancestry.depth('copy') == 0
    assert read(parent, 'copy') == {0: DATA}
    with pytest.raises(clones.SourceTooLarge):
        parent.clones.copy(clones.CloneSpec(PARENT, 'small', size=OBJECT))
    assert not parent.directory.exists('small')


def test_flattening(child):
    progress = flatten.Progress()
    child.clones.flatten(child.directory.id('child'), progress)
    assert progress.total > 0
    assert child.ancestry.depth('child') == 0
    assert read(child, 'child') == {0: DATA}
    child.clones.flatten(child.directory.id('child'), progress)
    with pytest.raises(errors.ImageNotFound):
        child.clones.flatten('cafe', progress)


def test_a_flatten_that_is_cancelled(child):
    progress = flatten.Progress()
    progress.cancelled = True
    with pytest.raises(errors.Cancelled):
        child.clones.flatten(child.directory.id('child'), progress)
    assert child.ancestry.depth('child') == 1


def test_object_maps_that_no_flatten_has_switched_off(child):
    id_ = child.directory.id('child')
    child.clones.restore_object_maps(id_, flatten.Progress())
    assert child.ancestry.depth('child') == 1
    assert read(child, 'child') == {0: DATA}


def test_the_probe_leaves_nothing(pool):
    assert pool.clones.probe('.partial-probe', 'snap') == 2
    assert pool.directory.ids() == {}


def test_a_copy_of_a_head_shares_the_parent(child):
    write(child, 'child', OBJECT, DATA)
    child.copies.head('child', 'volumes2', 'copy')
    other = child.sibling('volumes2')
    assert read(other, 'copy') == {0: DATA, OBJECT: DATA}
    assert other.ancestry.depth('copy') == 1
    with pytest.raises(errors.ImageExists):
        child.copies.head('child', 'volumes2', 'copy')
    with pytest.raises(errors.ImageNotFound):
        child.copies.head('none', 'volumes2', 'another')


def test_a_copy_of_a_head_whose_parent_cannot_be_shared(child):
    child.snapshots.remove('parent', 'snap')
    child.copies.head('child', 'volumes', 'copy')
    assert child.ancestry.depth('copy') == 0
    assert read(child, 'copy') == {0: DATA}
    assert not child.copies.unused_head('child', 'small', 4 * OBJECT)
    assert child.copies.unused_head('child', 'flat')


def test_a_head_is_copied_while_nobody_uses_it(child):
    write(child, 'child', OBJECT, DATA)
    assert not child.copies.unused_head('child', 'copy', 0)
    with opened(child, 'child'):
        assert not child.copies.unused_head('child', 'copy', OBJECT)
    assert not child.directory.exists('copy')
    child.headers.update('child', {'rbd-imgdriver/strategy': 'import'})
    assert child.copies.unused_head('child', 'copy', OBJECT)
    child.copies.drop_inherited('copy')
    assert child.headers.metadata('copy') == {'a': '1'}


def test_a_chain(child):
    child.snapshots.create('child', 'snap')
    child.clones.clone(clones.CloneSpec(
        clones.SnapshotSpec('volumes', 'child', 'snap'), 'grandchild'))
    assert child.ancestry.depth('grandchild') == 2
    assert [one.image for one in child.ancestry.of('grandchild')] == [
        'child', 'parent']
    ref = child.ancestry.parent(child.directory.id('grandchild'))
    assert ref.image_id == child.directory.id('child')
    where, facts = child.ancestry.parent_facts(ref)
    assert where == 'volumes'
    assert (facts.name, facts.in_trash, facts.snapshots) == ('child', False,
                                                             1)
    assert facts.snapshot.name == 'snap'
    assert facts.parent.image_id == child.directory.id('parent')
    with pytest.raises(errors.ImageNotFound):
        child.ancestry.depth('none')


def test_no_parent(parent):
    id_ = parent.directory.id('parent')
    assert parent.ancestry.parent(id_) is None
    assert parent.ancestry.parent_spec(id_) is None
    assert parent.ancestry.depth('parent') == 0
    assert parent.ancestry.of('parent') == []
    assert not parent.ancestry.has_unmirrored_parent('parent')


def test_what_is_known_before_an_image_is_cloned(child):
    child.headers.update('child', {'key': 'value'})
    found = child.headers.summary('child')
    assert found.metadata['key'] == 'value'
    assert found.is_clone
    assert not child.headers.summary('parent').is_clone
    with pytest.raises(errors.ImageNotFound):
        child.headers.summary('none')


def test_what_is_known_before_an_image_goes(child):
    facts = child.ancestry.removal_facts('child')
    assert facts.id == child.directory.id('child')
    assert facts.parent.image_id == child.directory.id('parent')
    assert facts.snapshots == 0
    assert child.ancestry.removal_facts('parent').snapshots == 1
    assert child.ancestry.has_unmirrored_parent('child')
    assert child.ancestry.is_lone(child.directory.id('child'))
    assert not child.ancestry.is_lone(child.directory.id('parent'))
    with pytest.raises(errors.ImageNotFound):
        child.ancestry.removal_facts('none')


def test_snapshots_are_flattened_with_their_image(child):
    """The images here have the feature deep-flatten."""
    id_ = child.directory.id('child')
    child.snapshots.create('child', 'before')
    child.clones.flatten(id_, flatten.Progress())
    assert child.ancestry.parent(id_) is None
    assert child.ancestry.parent_spec(id_) is None


def test_usage(child):
    write(child, 'child', OBJECT, DATA)
    found = child.usage.of('child')
    assert (found.size, found.used) == (4 * OBJECT, OBJECT)
    found = child.usage.of('parent')
    assert found.used == OBJECT
    assert found.snapshots == ('snap',)
    assert [one.name for one in found.children] == ['volumes/child']
    with pytest.raises(errors.ImageNotFound):
        child.usage.of('none')


def test_the_usage_of_a_snapshot(child):
    id_ = child.directory.id('parent')
    assert child.usage.of_snapshot(id_, 'snap').held == 0
    write(child, 'parent', 0, b'later')
    found = child.usage.of_snapshot(id_, 'snap')
    assert found.held == OBJECT
    assert [one.name for one in found.children] == ['volumes/child']
    with pytest.raises(errors.SnapshotNotFound):
        child.usage.of_snapshot(id_, 'none')
    with pytest.raises(errors.ImageNotFound):
        child.usage.of_snapshot('cafe', 'none')


def test_the_usage_of_an_image_in_the_trash(child):
    id_ = child.directory.id('parent')
    child.trash.move('parent')
    assert [one.name for one in child.usage.of_trashed(id_).children] == [
        'volumes/child']
    child.trash.move('child')
    assert child.usage.of_trashed(id_).children[0].trashed


def test_the_snapshot_that_nothing_has_changed_since(parent):
    assert parent.snapshots.sealed('parent') is None
    parent.snapshots.create('parent', 'seal', seal=True)
    assert parent.snapshots.sealed('parent') == 'seal'
    with opened(parent, 'parent') as writer:
        assert parent.snapshots.sealed('parent') == 'seal'
        writer.write(b'later')
    assert parent.snapshots.sealed('parent') is None
    with pytest.raises(errors.ImageNotFound):
        parent.snapshots.sealed('none')


def test_the_trash_takes_what_is_open(pool):
    pool.images.create('image', OBJECT, 22)
    id_ = pool.directory.id('image')
    with opened(pool, 'image'):
        pool.trash.move('image')
        assert not pool.trash.remove(id_)
    assert pool.trash.remove(id_)
    assert pool.trash.remove(id_)
    assert pool.trash.purge_intervals() == []


def test_a_move_to_the_trash_that_was_not_cut_short(pool):
    id_ = pool.images.create('image', OBJECT, 22)
    pool.trash.finish_move(id_)
    assert pool.directory.exists('image')
    pool.trash.move('image')
    pool.trash.finish_move(id_)
    assert [one.id for one in pool.trash.entries()] == [id_]
    assert pool.trash.remove(id_)


def test_the_trash_keeps_what_is_deferred(pool):
    pool.images.create('image', OBJECT, 22)
    id_ = pool.directory.id('image')
    pool.trash.move('image', delay=600)
    with pytest.raises(errors.PermissionDenied):
        pool.trash.remove(id_)
    [one] = pool.trash.entries()
    assert (one.id, one.name) == (id_, 'image')
    assert one.deferred_until > 0


def test_snapshots_keep_an_image_in_the_trash(parent):
    id_ = parent.directory.id('parent')
    parent.trash.move('parent')
    assert not parent.trash.remove(id_)
    assert parent.trash.free(id_, 'snap')


def methods(part):
    """The parameters of a part's methods, by name.

    Not by their signatures: since Python 3.14 annotations are evaluated in
    the class, where a method may hide the module of the same name.
    """
    found = {}
    for name, method in inspect.getmembers(part, callable):
        if not name.startswith('_'):
            code = inspect.unwrap(method).__code__
            count = code.co_argcount + code.co_kwonlyargcount
            found[name] = [one for one in code.co_varnames[:count]
                           if one != 'self']
    return found


@pytest.mark.parametrize('stand_in', [
    fake_pool.FakePool(), dry_run.DryRun(fake_pool.FakePool())],
    ids=['fake', 'dry run'])
def test_stand_ins_have_the_parts_of_a_pool(stand_in):
    """So that a call that the contract does not have cannot hide in one."""
    for name, kind in inspect.get_annotations(parts.Pool).items():
        if name == 'name':
            continue
        assert methods(getattr(stand_in, name)) == methods(
            getattr(parts, kind))


def contract() -> set[tuple[str, ...]]:
    """What these tests call, as ``('directory', 'ids')`` for each."""
    found = set()
    for path in pathlib.Path(__file__).parent.glob('test_p*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            while isinstance(node, ast.Attribute):
                names.insert(0, node.attr)
                node = node.value
            found.update(tuple(names[-length:]) for length in (1, 2))
    return found


@pytest.mark.parametrize('part', [
    'handle', *sorted(inspect.get_annotations(parts.Pool).keys() - {'name'})])
def test_every_method_of_a_part_is_in_the_contract(part):
    """A double that Ceph is not compared with may do anything."""
    kind = inspect.get_annotations(parts.Pool).get(part, 'Pool')
    called = contract()
    for name in methods(getattr(parts, kind)):
        assert (name,) in called if part == 'handle' else (
            (part, name) in called)


@pytest.mark.parametrize('opened', ['Hold', 'Reader', 'Writer'])
def test_every_method_of_what_is_opened_is_in_the_contract(opened):
    assert {(name,) for name in methods(getattr(parts, opened))} <= contract()
