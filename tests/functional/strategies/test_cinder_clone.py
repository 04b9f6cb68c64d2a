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
"""cinder-clone: the volume behind an image, in any pool of the cluster."""

import dataclasses
import uuid

from cinder import context
from cinder.db import api as db
from cinder.db import migration
from cinder import exception
from oslo_config import cfg
import pytest
import rbd

from rbd_imgdriver import model
from rbd_imgdriver.openstack import volumes as cinder_volumes
from tests.functional import host

CONF = cfg.CONF
GIB = 2**30
INTERNAL, OTHER = 'i' * 32, 'o' * 32


pytestmark = pytest.mark.usefixtures('cinder_locations')


@pytest.fixture
def meta(disk):
    return host.image_meta(disk, 'raw')


@pytest.fixture(scope='module')
def database():
    """Cinder's own, in a file."""
    migration.db_sync()


@pytest.fixture
def known(database):
    """Have Cinder's database know a volume."""
    where = context.get_admin_context()
    type_id = db.volume_type_get_by_name(where, '__DEFAULT__')['id']

    def make(volume, **facts):
        db.volume_create(where, {
            'id': volume.id, '_name_id': None, 'size': volume.size,
            'project_id': volume.project_id, 'host': volume.host,
            'status': 'available', 'use_quota': True,
            'volume_type_id': type_id,
            'encryption_key_id': volume.encryption_key_id,
            'metadata': volume.metadata,
            'admin_metadata': volume.admin_metadata, **facts})

    return make


@pytest.fixture
def image_volume(admin, known, disk, meta):
    """A Cinder volume that holds the image's data, of the image's owner.

    Marked as Cinder does when it uploads a volume to an image.
    """
    def make(pool='volumes', **facts):
        facts = {'metadata': {'glance_image_id': meta['id']},
                 'admin_metadata': {'readonly': 'True'}, **facts}
        volume = host.volume(**facts)
        known(volume)
        with admin.open_ioctx(pool) as ioctx:
            rbd.RBD().create(ioctx, volume.name, GIB, 22, old_format=False,
                             features=61)
            with rbd.Image(ioctx, volume.name) as image:
                image.write(disk.read_bytes(), 0)
        return volume

    return make


def snapshots(admin, volume, pool='volumes'):
    with admin.open_ioctx(pool) as ioctx, \
            rbd.Image(ioctx, volume.name) as image:
        return [snap['name'] for snap in image.list_snaps()]


@pytest.mark.parametrize('form', ['cinder://{}', 'cinder://store/{}'])
@pytest.mark.parametrize('pool_name', ['volumes', 'volumes2'])
def test_a_clone_of_the_image_volume(driver, create, made, meta, disk,
                                     image_volume, form, pool_name):
    source = image_volume(pool_name)

    volume, _, done = create(driver, meta, form.format(source.id), size=2)

    assert done
    result = made(volume)
    assert result.parent[:2] == (pool_name, source.name)
    assert result.size == 2 * GIB
    assert result.data == disk.read_bytes()
    assert result.strategy == 'cinder-clone'
    assert result.declined.startswith('rbd-clone: no-location ')


def test_one_snapshot_serves_all_volumes(driver, create, made, meta, admin,
                                         image_volume):
    source = image_volume()
    parents = {made(create(driver, meta, f'cinder://{source.id}')[0]).parent
               for _ in range(3)}

    assert len(parents) == 1
    assert len(snapshots(admin, source)) == 1
    assert snapshots(admin, source)[0].endswith('.clone_snap')


def test_what_is_written_later_is_not_the_image(driver, create, made, meta,
                                                admin, disk, image_volume):
    source = image_volume()
    create(driver, meta, f'cinder://{source.id}')
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, source.name) as image:
        image.write(b'not the image', 0)

    volume, _, _ = create(driver, meta, f'cinder://{source.id}')

    assert made(volume).data == disk.read_bytes()


def test_a_snapshot_that_has_gone_is_made_anew(driver, create, made, meta,
                                               admin, image_volume):
    source = image_volume()
    first, _, _ = create(driver, meta, f'cinder://{source.id}')
    driver.delete_volume(first)
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, source.name) as image:
        for snap in image.list_snaps():
            if image.is_protected_snap(snap['name']):
                image.unprotect_snap(snap['name'])
            image.remove_snap(snap['name'])

    volume, _, _ = create(driver, meta, f'cinder://{source.id}')

    assert made(volume).strategy == 'cinder-clone'


@pytest.fixture
def internal_tenant():
    CONF.set_override('cinder_internal_tenant_project_id', INTERNAL)
    yield
    CONF.clear_override('cinder_internal_tenant_project_id')


@pytest.mark.parametrize(('project', 'image_owner', 'image', 'code'), [
    (host.PROJECT, None, {}, None),
    (INTERNAL, host.PROJECT, {}, None),
    (INTERNAL, OTHER, {'owner': OTHER}, None),
    (INTERNAL, None, {}, 'not-owner'),
    (INTERNAL, 'third', {'owner': OTHER}, 'not-owner'),
    (OTHER, OTHER, {'owner': OTHER}, 'volume-of-tenant'),
    (OTHER, OTHER, {'owner': OTHER, 'visibility': 'public'}, None),
    ('third', OTHER, {'owner': OTHER, 'visibility': 'public'}, 'not-owner'),
    ('third', host.PROJECT, {}, 'not-owner'),
    (host.PROJECT, None, {'owner': None}, 'not-owner'),
])
def test_whose_image_volume_is_cloned(
        driver, create, made, meta, image_volume, internal_tenant, disk,
        project, image_owner, image, code):
    marks = {'glance_image_id': meta['id'], 'image_owner': image_owner}
    source = image_volume(project_id=project, metadata={
        key: value for key, value in marks.items() if value})

    volume, _, _ = create(driver, {**meta, **image},
                          f'cinder://{source.id}')

    result = made(volume)
    assert result.data == disk.read_bytes()
    if code is None:
        assert result.strategy == 'cinder-clone'
    else:
        assert f'cinder-clone: {code} ' in result.declined


@pytest.mark.parametrize(('facts', 'code'), [
    ({'metadata': {}}, 'not-the-image'),
    ({'metadata': {'glance_image_id': OTHER}}, 'not-the-image'),
    ({'admin_metadata': {}}, 'writable'),
    ({'admin_metadata': {'readonly': 'False'}}, 'writable'),
])
def test_a_volume_that_need_not_hold_the_image(
        driver, create, made, meta, image_volume, admin, disk, facts, code):
    source = image_volume(**facts)

    volume, _, _ = create(driver, meta, f'cinder://{source.id}')

    result = made(volume)
    assert result.strategy == 'import'
    assert f'cinder-clone: {code} ' in result.declined
    assert result.data == disk.read_bytes()
    assert snapshots(admin, source) == []


def test_cinder_is_not_left_to_clone_it_itself(cluster, create, made, meta,
                                               image_volume, disk):
    driver = host.make(cluster, 'volumes',
                       rbd_imgdriver_strategies=['rbd-clone', 'cinder-clone'])
    source = image_volume(metadata={})

    volume, _, done = create(driver, meta, f'cinder://{source.id}')

    assert done
    assert made(volume).strategy == 'import'
    assert made(volume).data == disk.read_bytes()


def test_what_the_database_says_now(known):
    """Nothing of it is kept from one create to the next."""
    where = context.get_admin_context()
    volumes = cinder_volumes.CinderVolumes(where)
    volume = host.volume(metadata={'glance_image_id': 'i', 'image_owner': 'o',
                                   'other': 'x'},
                         admin_metadata={'readonly': 'True'})
    name_id = str(uuid.uuid4())
    known(volume, _name_id=name_id)

    found = volumes.image_volume(volume.id)
    assert found == model.ImageVolume(
        id=volume.id, name=f'volume-{name_id}', project_id=host.PROJECT,
        of_service=False, image_id='i', image_owner='o', read_only=True,
        encrypted=False)

    db.volume_metadata_delete(where, volume.id, 'glance_image_id')
    db.volume_admin_metadata_update(where, volume.id, {'readonly': 'False'},
                                    False)
    db.volume_update(where, volume.id, {
        'project_id': OTHER, 'encryption_key_id': str(uuid.uuid4())})
    assert volumes.image_volume(volume.id) == dataclasses.replace(
        found, image_id=None, read_only=False, project_id=OTHER,
        encrypted=True)

    db.volume_destroy(where, volume.id)
    assert volumes.image_volume(volume.id) is None


def test_what_is_declined(cluster, driver, create, made, meta, disk,
                          image_volume, known, admin, contents):
    encrypted = image_volume(encryption_key_id=str(uuid.uuid4()))
    elsewhere = host.volume(metadata={'glance_image_id': meta['id']},
                            admin_metadata={'readonly': 'True'})
    known(elsewhere)
    cases = {
        f'cinder://{encrypted.id}': 'encrypted',
        f'cinder://{elsewhere.id}': 'wrong-cluster',
        f'cinder://{uuid.uuid4()}': 'no-volume',
        'cinder://not-an-id': 'malformed-location',
        'cinder://a/b/c': 'malformed-location',
        'http://elsewhere/': 'no-location',
    }
    for url, code in cases.items():
        volume, _, done = create(driver, meta, url)
        result = made(volume)
        assert done
        assert f'cinder-clone: {code} ' in result.declined, url
        assert result.data == disk.read_bytes()
    assert snapshots(admin, encrypted) == []


def test_not_unless_the_operator_allows_it(driver, create, made, meta,
                                           image_volume, cluster):
    CONF.clear_override('allowed_direct_url_schemes')
    source = image_volume()
    volume, _, _ = create(host.make(cluster, 'volumes'), meta,
                          f'cinder://{source.id}')
    assert 'cinder-clone: not-allowed ' in made(volume).declined


def test_depth_zero_makes_a_full_copy(cluster, create, made, meta, disk,
                                      image_volume):
    driver = host.make(cluster, 'volumes', rbd_max_clone_depth=0)
    source = image_volume()

    volume, _, _ = create(driver, meta, f'cinder://{source.id}')

    result = made(volume)
    assert result.strategy == 'cinder-clone'
    assert result.parent is None
    assert result.data == disk.read_bytes()


def test_at_the_limit_of_depth_the_new_volume_is_flattened(
        cluster, create, made, meta, disk, image_volume, known, pool):
    driver = host.make(cluster, 'volumes', rbd_max_clone_depth=1)
    source = image_volume()
    child = host.volume(metadata=source.metadata,
                        admin_metadata=source.admin_metadata)
    driver.create_cloned_volume(child, source)
    known(child)
    assert pool.ancestry.depth(child.name) == 1

    volume, _, _ = create(driver, meta, f'cinder://{child.id}')

    settled = driver._backend.chains.flattener.settle(pool, volume.name, 60)
    assert settled
    result = made(volume)
    assert result.strategy == 'cinder-clone'
    assert result.parent is None
    assert result.data == disk.read_bytes()


def test_an_image_volume_larger_than_the_volume(driver, create, meta, admin,
                                                image_volume, contents):
    source = image_volume()
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, source.name) as image:
        image.resize(3 * GIB)

    with pytest.raises(exception.ImageUnacceptable):
        create(driver, meta, f'cinder://{source.id}', size=2)

    assert contents() == ([source.name], [])
    assert snapshots(admin, source) == []


def test_the_counterpart_of_cinders_own_method(driver, meta, made,
                                               image_volume):
    source = image_volume('volumes2')
    volume = host.volume()

    update, cloned = driver._clone_image_volume(
        volume._context, volume, (None, [
            {'url': f'cinder://{source.id}', 'metadata': {}}]), meta)

    assert cloned
    assert update == {'provider_location': None}
    assert made(volume).strategy == 'cinder-clone'
