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
"""Encrypted volumes by Cinder's task that makes volumes, in both ways.

The task, the database and the volumes' types are Cinder's, Ceph is real.
"""

import dataclasses
import importlib
from typing import Any

from cinder.db import api as db
from cinder import exception
from cinder import objects
from cinder import privsep
from cinder.volume.drivers import rbd as cinder_rbd
import pytest

from tests.functional import encryption
from tests.functional import host

objects.register_all()  # as cinder-volume does first
manager = importlib.import_module('rbd_imgdriver.manager')

THEIRS = 'q' * 32

# Of a LUKS 1 header, with its salt.
MASTER_KEY_DIGEST = slice(112, 164)


@dataclasses.dataclass
class Glance(host.ImageService):
    """The image service, also for Cinder's own download to a file."""

    meta: dict = dataclasses.field(default_factory=dict)
    temp_images: Any = None

    def show(self, _context, image_id):
        return {**self.meta, 'id': image_id}

    def get_location(self, _context, _image_id):
        return None, None

    def download(self, _context, _image_id, data):
        self.downloads += 1
        data.write(self.path.read_bytes())


class CindersTask(manager.create_volume.CreateVolumeFromSpecTask):
    """Cinder's."""


class OurTask(manager.create_volume.CreateVolumeFromSpecTask):
    """Cinder's, on which our manager is installed."""


manager.install(OurTask)

BOTH = pytest.mark.parametrize('task', [OurTask, CindersTask])


@pytest.fixture(scope='module', autouse=True)
def prepared(cinder_config):
    encryption.prepare()
    # What Cinder does as root, it does here without a helper process.
    privsep.sys_admin_pctxt.set_client_mode(False)
    yield
    privsep.sys_admin_pctxt.set_client_mode(True)


@pytest.fixture
def glance(qcow2):
    return Glance(qcow2, meta=host.image_meta(qcow2, 'qcow2'))


@pytest.fixture(scope='module')
def kind(prepared):
    return encryption.volume_type()


@pytest.fixture
def create(caching, glance, kind):
    """Have an encrypted volume made as the create flow does."""
    def call(task=OurTask, driver=caching, asked_by=None, type_id=kind,
             volume=None, **meta):
        asked_by = asked_by or encryption.request()
        volume = volume or encryption.volume(asked_by, type_id)
        driver.init_capabilities()
        glance.meta = {**glance.meta, **meta}
        task(None, db, driver)._create_from_image(
            asked_by, volume, (None, None), glance.meta['id'], glance.meta,
            glance)
        return volume

    return call


@pytest.fixture
def opens(admin, tmp_path, disk):
    """Whether a volume, opened with a volume's key, holds the disk."""
    def look(volume, key_of=None) -> bool:
        data = disk.read_bytes()
        return encryption.opened(
            admin, tmp_path, volume.name,
            encryption.passphrase(key_of or volume), len(data)) == data

    return look


@BOTH
def test_the_second_is_a_clone_that_moves_nothing(create, made, opens, glance,
                                                  task):
    first, second = create(task), create(task)

    one, other = made(first), made(second)
    assert (one.strategy, other.strategy) == ('encrypted-clone',) * 2
    assert one.parent == other.parent
    assert int(one.metadata['rbd-imgdriver/bytes_moved']) > 0
    assert other.metadata['rbd-imgdriver/bytes_moved'] == '0'
    assert opens(first)
    assert opens(second)
    assert not opens(second, key_of=first)


def test_with_our_manager_a_second_downloads_nothing(create, glance):
    create()
    before = glance.downloads

    create()

    assert (before, glance.downloads) == (1, 1)


def test_with_cinders_manager_each_is_downloaded(create, glance):
    create(CindersTask)

    create(CindersTask)

    assert glance.downloads == 2


def test_both_managers_share_what_is_there(create, made):
    parents = {made(create(task)).parent for task in (CindersTask, OurTask)}

    assert len(parents) == 1


def test_what_cinder_notes_of_a_clone_is_noted(create):
    volume = create()

    noted = db.volume_glance_metadata_get(encryption.request(), volume.id)
    assert {one.key for one in noted} >= {'image_id', 'disk_format'}
    assert objects.Volume.get_by_id(encryption.request(), volume.id).bootable


@BOTH
def test_projects_share_nothing(create, made, opens, task):
    mine = create(task)
    theirs = create(task, asked_by=encryption.request(THEIRS))

    assert made(mine).parent != made(theirs).parent
    assert opens(theirs)
    assert not opens(theirs, key_of=mine)


@BOTH
def test_a_user_who_may_not_have_the_keys(create, made, opens, task,
                                          monkeypatch):
    """Barbican's secrets may be private to the user that made them."""
    monkeypatch.setattr(encryption.KeyManager, 'private', True)
    create(task)

    other = create(task, asked_by=encryption.request(user='another'))

    record = made(other)
    assert (record.strategy, record.parent) == ('import', None)
    assert 'encrypted-clone: no-key' in record.declined
    assert opens(other)


def test_a_volume_given_to_another_project(create, made, opens):
    """Cinder's transfer takes the key along, and no key of ours remains."""
    first = create()
    theirs = encryption.request(THEIRS)
    key = encryption.KeyManager.secrets[first.encryption_key_id].key
    first.update({
        'project_id': THEIRS,
        'encryption_key_id': encryption.KeyManager(None).store(theirs, key)})
    first.save()

    second, third, other = create(), create(), create(asked_by=theirs)

    parents = [made(one).parent for one in (first, second, third, other)]
    assert None not in parents
    assert parents[1] == parents[2]
    assert len(set(parents)) == 3
    assert opens(first)
    assert all(opens(one) for one in (second, third, other))


@BOTH
@pytest.mark.parametrize(('options', 'code'), [
    ({'rbd_imgdriver_encrypted_clones': 'off'}, 'clones-off'),
    ({'image_volume_cache_enabled': False}, 'cache-off'),
    ({'rbd_max_clone_depth': 0}, 'no-clones')])
def test_what_cannot_be_cloned_is_imported(create, cluster, made, opens,
                                           task, options, code):
    driver = host.make(cluster, 'volumes', **{
        'image_volume_cache_enabled': True, **options})

    volume = create(task, driver=driver)

    record = made(volume)
    assert (record.strategy, record.parent) == ('import', None)
    assert f'encrypted-clone: {code}' in record.declined
    assert opens(volume)


@BOTH
def test_replicated_ones_are_imported(create, made, opens, is_mirrored,
                                      contents, task):
    """RBD mirrors no clone of what is not mirrored."""
    kind = encryption.volume_type(replication_enabled='<is> True')

    volumes = [create(task, type_id=kind) for _ in range(2)]

    for volume in volumes:
        record = made(volume)
        assert (record.strategy, record.parent) == ('import', None)
        assert 'encrypted-clone: mirrored' in record.declined
        assert is_mirrored(volume)
        assert opens(volume)
    assert not [name for name in contents()[0] if '-luks' in name]


@BOTH
def test_volume_types_may_be_kept_apart(create, cluster, made, kind, task):
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=True,
                       rbd_imgdriver_encrypted_clones='volume-type')

    parents = {made(create(task, driver=driver, type_id=type_id)).parent
               for type_id in (kind, kind, encryption.volume_type())}

    assert len(parents) == 2


@pytest.mark.parametrize(('cipher', 'key_size'), [
    ('aes-xts-plain64', 256), ('aes-xts-plain64', 512),
    ('aes-xts-plain64', 128), ('aes-cbc-essiv', 256),
    ('aes-cbc-essiv:sha256', 128), ('aes-cbc-plain64', 256)])
def test_the_ciphers_of_volume_types(create, made, opens, cipher, key_size):
    kind = encryption.volume_type(cipher, key_size)

    first, second = (create(type_id=kind) for _ in range(2))

    assert made(second).parent == made(first).parent
    assert opens(first)
    assert opens(second)


def test_a_volume_that_is_there_is_left_alone(create, pool, kind):
    """Cinder makes none before it asks us to clone."""
    volume = encryption.volume(encryption.request(), kind)
    pool.images.create(volume.name, 2**20, 22)

    with pytest.raises(exception.VolumeBackendAPIException):
        create(volume=volume)

    assert pool.headers.size(volume.name) == 2**20
    assert not [name for name in pool.directory.ids()
                if name.startswith('.partial')]


def test_a_bad_image_leaves_nothing(create, contents):
    before = contents()

    with pytest.raises(exception.CinderException):
        create(os_hash_value='0' * 128)

    assert contents() == before


@pytest.mark.parametrize('cls', [host.Driver, cinder_rbd.RBDDriver])
def test_what_is_done_to_a_clone_later(create, made, opens, kind, cluster,
                                       contents, cls):
    """With this driver, and with Cinder's own after the way back."""
    first, second = create(), create()
    driver = host.make(cluster, 'volumes', cls=cls)
    snapshot = host.snapshot(second)

    def of_second(size):
        """With a copy of its key, as Cinder's API makes it."""
        asked_by = encryption.request()
        key = encryption.KeyManager.secrets[second.encryption_key_id].key
        return encryption.volume(
            asked_by, kind, size=size,
            encryption_key_id=encryption.KeyManager(None).store(asked_by,
                                                                key))

    copy, clone = of_second(1), of_second(2)
    driver.create_snapshot(snapshot)
    driver.create_volume_from_snapshot(copy, snapshot)
    driver.create_cloned_volume(clone, second)
    driver.delete_volume(first)
    driver.revert_to_snapshot(None, second, snapshot)
    driver.extend_volume(second, 2)

    assert all(opens(one) for one in (second, copy, clone))
    assert made(second).size == made(clone).size == 2 * 2**30
    third = create()
    assert made(third).parent == made(second).parent
    assert opens(third)
    for one in (copy, clone):
        driver.delete_volume(one)
    driver.delete_snapshot(snapshot)
    for one in (second, third):
        driver.delete_volume(one)
    assert not {one.name for one in (first, second, copy, clone, third)
                } & set(contents()[0])


def test_a_reimaged_clone_is_no_sibling_and_harms_none(
        create, made, opens, caching, glance):
    first, second = create(), create()
    before = made(second).data[MASTER_KEY_DIGEST]
    assert before == made(first).data[MASTER_KEY_DIGEST]

    caching.copy_image_to_encrypted_volume(
        encryption.request(), second, glance, glance.meta['id'],
        disable_sparse=True)

    assert made(second).data[MASTER_KEY_DIGEST] != before
    third = create()
    assert made(third).metadata['rbd-imgdriver/bytes_moved'] == '0'
    assert all(opens(one) for one in (first, second, third))


def test_the_limits_of_the_cache_are_theirs_too(create, cluster, made, opens,
                                                glance, contents):
    """And they are counted apart."""
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=True,
                       image_volume_cache_max_count=1)
    driver.clone_image(encryption.request(), host.volume(), (None, None),
                       host.image_meta(glance.path, 'qcow2'), glance)
    first = create(driver=driver)

    second = create(driver=driver, id='b' * 8 + glance.meta['id'][8:])

    def entries() -> list[str]:
        return [name for name in contents()[0]
                if name.startswith('image-cache-')]

    assert len(entries()) == 1
    assert made(second).parent[1] == entries()[0]
    stats = driver.get_volume_stats(refresh=True)
    assert stats['image_cache_count'] == 1
    assert stats['image_cache_encrypted_count'] == 1
    assert stats['image_cache_encrypted_bytes'] > 0
    assert opens(first)
    assert opens(second)


def test_an_image_with_a_key_of_its_own_is_cinders_to_copy(
        create, caching, kind, glance):
    volume = encryption.volume(encryption.request(), kind)

    update, done = caching.clone_image(
        encryption.request(), volume, (None, None),
        {**glance.meta, 'cinder_encryption_key_id': 'k'}, glance)

    assert (update, done) == ({}, False)
