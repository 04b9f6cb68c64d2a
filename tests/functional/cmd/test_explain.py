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
"""``image explain`` and ``volume explain`` on a real cluster."""

import contextlib
import sqlite3
import uuid

from cinder.db import migration
import pytest
import rbd
import sqlalchemy

from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.cmd import exits
from rbd_imgdriver import model


def verdicts(explained: dict) -> dict[str, tuple[str, str | None]]:
    return {one['strategy']: (one['verdict'], one.get('code'))
            for one in explained['strategies']}


def test_a_raw_image_in_our_cluster_would_be_cloned(
        manage, glance, glance_image, disk, contents):
    id_ = glance.add(disk.read_bytes())
    glance.locate(id_, glance_image(id_))
    before = contents()

    explained = manage.json('image', 'explain', id_)

    assert verdicts(explained) == {
        'rbd-clone': ('would be used', None),
        'cinder-clone': ('declines', 'not-allowed'),
        'cached-clone': ('declines', 'not-cached'),
        'import': ('possible', None)}
    assert explained['strategies'][0]['parent'] == f'images/{id_}@snap'
    assert explained['volume_size'] == 2**30
    assert contents() == before


def test_a_location_that_is_not_there(manage, glance, glance_image, disk):
    id_ = glance.add(disk.read_bytes())
    other = glance.add(disk.read_bytes())
    glance.locate(id_, glance_image(other).replace(other, id_))

    explained = manage.json('image', 'explain', id_)

    assert verdicts(explained)['rbd-clone'] == ('declines',
                                                'image-not-found')
    assert verdicts(explained)['import'][0] == 'would be used'
    assert explained['strategies'][-1]['source'] == 'glance'


@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
def test_a_location_that_is_another_image(manage, glance, glance_image, disk,
                                          disk_format):
    id_ = glance.add(disk.read_bytes(), disk_format=disk_format)
    other = glance.add(disk.read_bytes())
    glance.locate(id_, glance_image(other))

    explained = manage.json('image', 'explain', id_)

    if disk_format == 'raw':
        assert verdicts(explained)['rbd-clone'] == ('declines',
                                                    'not-the-image')
    assert explained['strategies'][-1]['source'] == 'glance'


def test_qcow2_in_our_cluster_is_read_there(manage, glance, glance_image,
                                            disk):
    id_ = glance.add(disk.read_bytes(), disk_format='qcow2')
    glance.locate(id_, glance_image(id_))

    explained = manage.json('image', 'explain', id_)

    assert verdicts(explained)['rbd-clone'] == ('declines', 'not-raw')
    assert explained['strategies'][-1]['source'] == f'images/{id_}@snap'


def test_a_cached_image_would_be_a_hit(manage, golden, glance):
    name = golden(b'data' * 1000)
    id_ = name.removeprefix('image-cache-').rpartition('-')[0]

    explained = manage.json('image', 'explain', id_)

    assert verdicts(explained)['cached-clone'][0] == 'would be used'


def test_an_image_that_does_not_fit(manage, glance):
    id_ = glance.add(b'small', disk_format='qcow2', virtual_size=3 * 2**30)

    explained = manage.json('image', 'explain', id_, '--size', '2', code=7)

    assert verdicts(explained)['import'] == ('fails', 'image-too-large')
    assert 'Ask for a larger volume' in manage.run(
        'image', 'explain', id_, '--size', '2').stdout


def test_a_volume_tells_how_it_was_made(manage, pool, admin, glance_image):
    glance_image('an-image')
    pool.clones.clone(clones.CloneSpec(
        clones.SnapshotSpec('images', 'an-image', 'snap'), 'volume-a',
        size=2**30, metadata={model.STRATEGY_KEY: 'rbd-clone',
                              model.BYTES_MOVED_KEY: '0'}))
    pool.snapshots.create('volume-a', 'snapshot-1')
    pool.clones.clone(clones.CloneSpec(
        clones.SnapshotSpec('volumes', 'volume-a', 'snapshot-1'),
        'volume-b'))

    first = manage.json('volume', 'explain', 'a')
    second = manage.json('volume', 'explain', 'volume-b')

    assert first['strategy'] == 'rbd-clone'
    assert first['bytes_moved'] == 0
    assert first['depth'] == 1
    assert first['children'] == ['volumes/volume-b']
    assert first['snapshots'] == ['snapshot-1']
    assert [one['parent'] for one in second['parents']] == [
        'volumes/volume-a@snapshot-1', 'images/an-image@snap']
    assert second['flatten'] is None


def test_a_parent_in_the_trash_is_named(manage, pool, admin):
    pool.images.create('volume-a', 2**30, 22)
    pool.snapshots.create('volume-a', 's')
    pool.clones.clone(clones.CloneSpec(
        clones.SnapshotSpec('volumes', 'volume-a', 's'), 'volume-b'))
    with admin.open_ioctx('volumes') as ioctx:
        rbd.RBD().trash_move(ioctx, 'volume-a', 0)

    explained = manage.json('volume', 'explain', 'b')

    assert explained['parents'] == [{
        'parent': 'volumes/volume-a@s', 'size': 2**30, 'trashed': True}]


def test_a_volume_is_found_in_whichever_backend_has_it(
        manage, cluster, database, knows, pool):
    manage.conf.write_text(manage.conf.read_text().replace(
        'enabled_backends = ours', 'enabled_backends = ours, more') + f'''
[more]
volume_driver = rbd_imgdriver.driver.RBDImageDriver
rbd_ceph_conf = {cluster.conf('cinder')}
rbd_user = cinder
rbd_pool = volumes2
''')
    id_, twice = str(uuid.uuid4()), [str(uuid.uuid4()) for _ in range(2)]
    pool.sibling('volumes2').images.create(f'volume-{id_}', 2**30, 22)
    knows(id_, 'available', name='data of mine')
    for one in twice:
        knows(one, 'available', name='twice')

    for wanted in (id_, f'volume-{id_}', 'data of mine'):
        found = manage.json('volume', 'explain', wanted)
        assert found['name'] == f'volumes2/volume-{id_}'
    assert manage.run('volume', 'explain', id_,
                      '--backend', 'ours').returncode == 4
    several = manage.run('volume', 'explain', 'twice')
    assert several.returncode == 2
    assert all(one in several.stderr for one in twice)


@pytest.mark.parametrize('noun', ['image', 'volume'])
def test_what_does_not_exist(manage, noun):
    assert manage.run(noun, 'explain', 'nonesuch').returncode == 4


@pytest.fixture
def luks(manage):
    """Cinder's database, with an encrypted volume type in it."""
    path = manage.conf.parent / 'cinder.sqlite'
    migration.db_sync(engine=sqlalchemy.create_engine(f'sqlite:///{path}'))
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute(
            'INSERT INTO volume_types (id, name, is_public, deleted) '
            "VALUES ('type', 'luks', 1, 0)")
        database.execute(
            'INSERT INTO encryption (encryption_id, volume_type_id, cipher, '
            'key_size, provider, control_location, deleted) VALUES '
            "('encryption', 'type', 'aes-xts-plain64', 256, 'luks', "
            "'front-end', 0)")
        database.commit()
    return 'luks'


def test_the_first_encrypted_volume_would_be_encrypted(
        manage, glance, luks, disk, contents):
    id_ = glance.add(disk.read_bytes())
    before = contents()

    explained = manage.json('image', 'explain', id_, '--type', luks)

    assert verdicts(explained) == {
        'encrypted-clone': ('would be used', None),
        'import': ('possible', None)}
    assert 'no volume opens yet' in explained['strategies'][0]['reason']
    assert contents() == before


def test_why_an_encrypted_volume_would_be_imported(manage, glance, luks,
                                                   disk):
    id_ = glance.add(disk.read_bytes(), disk_format='qcow2',
                     virtual_size=2**30)
    text = manage.conf.read_text()

    no_room = manage.json('image', 'explain', id_, '--type', luks)
    manage.conf.write_text(text.replace(
        '[theirs]', 'rbd_imgdriver_encrypted_clones = off\n[theirs]'))
    off = manage.json('image', 'explain', id_, '--type', luks)

    assert verdicts(no_room)['encrypted-clone'] == ('declines',
                                                    'no-room-for-header')
    assert verdicts(off)['encrypted-clone'] == ('declines', 'clones-off')
    assert verdicts(off)['import'][0] == 'would be used'


def test_whether_cinder_downloads_first(manage, glance, luks, disk):
    id_ = glance.add(disk.read_bytes())

    theirs = manage.run('image', 'explain', id_, '--type', luks)
    manage.conf.write_text(manage.conf.read_text().replace(
        '[DEFAULT]', '[DEFAULT]\nvolume_manager = '
        'rbd_imgdriver.manager.VolumeManager'))
    ours = manage.run('image', 'explain', id_, '--type', luks)

    assert 'downloads the image first' in theirs.stdout + theirs.stderr
    assert 'before it downloads' in ours.stdout + ours.stderr


def test_a_volume_type_that_is_not_there(manage, glance, luks, disk):
    id_ = glance.add(disk.read_bytes())

    done = manage.run('image', 'explain', id_, '--type', 'none')

    assert done.returncode == exits.Exit.NOT_FOUND
    assert 'none' in done.stderr
