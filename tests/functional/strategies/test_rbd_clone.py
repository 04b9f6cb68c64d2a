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
"""rbd-clone, and every location that cannot be used."""

from cinder import exception
from oslo_config import cfg
import pytest
import rbd

from tests.functional import host

CONF = cfg.CONF
GIB = 2**30
OTHER = '11111111-2222-3333-4444-555555555555'


@pytest.fixture
def meta(disk):
    return host.image_meta(disk, 'raw')


@pytest.mark.parametrize('size', [1, 3])
def test_a_clone_of_glances_snapshot(driver, create, made, disk, meta,
                                     glance_image, size):
    volume, update, done = create(driver, meta, glance_image(meta['id']),
                                  size=size)

    assert done
    assert update == {'provider_location': None}
    result = made(volume)
    assert result.parent == ('images', meta['id'], 'snap')
    assert result.size == size * GIB
    assert result.data == disk.read_bytes()
    assert result.strategy == 'rbd-clone'
    assert result.declined == '-'


def test_the_direct_url_alone_will_do(driver, made, meta, glance_image):
    volume = host.volume()
    url = glance_image(meta['id'])
    for location in ((url, None), (url, [])):
        assert driver.clone_image(None, volume, location, meta, None)[1]
        driver.delete_volume(volume)


def test_a_percent_encoded_name(driver, create, made, meta, glance_image):
    url = glance_image(meta['id'])

    volume, _, _ = create(driver, meta, url.replace(
        meta['id'], meta['id'].replace('-', '%2D')))

    assert made(volume).parent == ('images', meta['id'], 'snap')


def test_the_second_location_serves_when_the_first_cannot(
        driver, create, made, meta, glance_image, disk):
    good = glance_image(meta['id'])
    volume, _, done = create(driver, meta, 'http://example.org/image',
                             good.replace(meta['id'], 'gone'), good, good)
    assert done
    assert made(volume).strategy == 'rbd-clone'


@pytest.mark.parametrize(('change', 'code'), [
    (lambda url: f'rbd://{OTHER}/' + url.split('/', 3)[3],
     'wrong-cluster'),
    (lambda url: url.replace('/images/', '/nowhere/'), 'pool-not-found'),
    (lambda url: url.replace('/snap', '/other'), 'not-the-image'),
    (lambda url: url.rsplit('/', 2)[0] + f'/{OTHER}/snap', 'not-the-image'),
    (lambda url: url.rsplit('/', 1)[0], 'malformed-location'),
    (lambda url: url + '/more', 'malformed-location'),
    (lambda url: url.rsplit('/', 1)[0] + '/', 'malformed-location'),
    (lambda url: 'rbd://', 'malformed-location'),
    (lambda url: 'rbd://%ff/%fe/%fd/%fc', 'malformed-location'),
    (lambda url: url.replace('/images/', '/volumes/'), 'pool-of-volumes'),
    (lambda url: 'swift://elsewhere', 'no-location'),
    (lambda url: None, 'no-location'),
])
def test_a_bad_location_falls_through_to_the_import(
        driver, create, made, meta, disk, glance_image, contents, change,
        code):
    volume, _, done = create(driver, meta, change(glance_image(meta['id'])))

    assert done
    result = made(volume)
    assert result.strategy == 'import'
    assert f'rbd-clone: {code} ' in result.declined
    assert result.data == disk.read_bytes()
    assert contents() == ([volume.name], [])


@pytest.mark.parametrize('gone', ['image', 'snapshot'])
def test_what_glance_has_lost(driver, create, made, meta, glance_image, disk,
                              admin, gone):
    url = glance_image(meta['id'])
    with admin.open_ioctx('images') as ioctx:
        with rbd.Image(ioctx, meta['id']) as image:
            image.unprotect_snap('snap')
            image.remove_snap('snap')
        if gone == 'image':
            rbd.RBD().remove(ioctx, meta['id'])

    volume, _, done = create(driver, meta, url)

    assert done
    result = made(volume)
    assert result.strategy == 'import'
    assert f'rbd-clone: {gone}-not-found ' in result.declined
    assert result.data == disk.read_bytes()


@pytest.fixture
def secret(admin):
    """Another tenant's data under some name; a location that names it."""
    def store(pool, name, snapshot):
        with admin.open_ioctx(pool) as ioctx:
            rbd.RBD().create(ioctx, name, 4 * 2**20, 22, old_format=False,
                             features=61)
            with rbd.Image(ioctx, name) as image:
                image.write(b'ANOTHER TENANT', 0)
                image.create_snap(snapshot)
                image.protect_snap(snapshot)
        return f'rbd://{admin.get_fsid()}/{pool}/{name}/{snapshot}'

    return store


@pytest.fixture
def two_backends(cluster):
    """A cinder.conf with another backend, on the pool ``volumes2``."""
    other = host.make(cluster, 'volumes2')
    CONF.set_override('enabled_backends', [other.configuration.config_group])
    yield
    CONF.clear_override('enabled_backends')


@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
@pytest.mark.parametrize(('pool_name', 'name', 'snapshot', 'code'), [
    ('images', OTHER, 'snap', 'not-the-image'),
    ('images', '{id}_disk', 'snap', 'not-the-image'),
    ('images', '{id}', 'mine', 'not-the-image'),
    ('volumes', '{id}', 'snap', 'pool-of-volumes'),
    ('volumes2', '{id}', 'snap', 'pool-of-volumes'),
    ('volumes', f'volume-{OTHER}', 'snap', 'pool-of-volumes'),
])
def test_another_tenants_data_is_never_used(
        cluster, create, made, disk, qcow2, secret, two_backends,
        disk_format, pool_name, name, snapshot, code):
    driver = host.make(cluster, 'volumes')
    path = disk if disk_format == 'raw' else qcow2
    meta = host.image_meta(path, disk_format)
    url = secret(pool_name, name.format(id=meta['id']), snapshot)
    service = host.ImageService(path)

    volume, _, done = create(driver, meta, url, service=service)

    assert done
    result = made(volume)
    assert result.strategy == 'import'
    assert service.downloads == 1
    assert result.data == disk.read_bytes()
    if disk_format == 'raw':
        assert f'rbd-clone: {code} ' in result.declined


def test_no_permission_on_the_images_pool(cluster, create, made, meta,
                                          glance_image, pool):
    cluster.create_user('blind', {
        'mon': 'profile rbd', 'osd': 'profile rbd pool=volumes'})
    driver = host.make(cluster, 'volumes', user='blind')

    volume, _, _ = create(driver, meta, glance_image(meta['id']))

    assert 'rbd-clone: no-permission ' in made(volume).declined


def test_an_image_larger_than_the_volume(driver, create, meta, admin, pool,
                                         glance_image, contents):
    url = glance_image(meta['id'])
    with admin.open_ioctx('images') as ioctx, \
            rbd.Image(ioctx, meta['id']) as image:
        image.unprotect_snap('snap')
        image.remove_snap('snap')
        image.resize(2 * GIB)
        image.create_snap('snap')
        image.protect_snap('snap')

    with pytest.raises(exception.ImageUnacceptable, match='volume only'):
        create(driver, meta, url)

    assert contents() == ([], [])


def test_a_volume_that_is_there_already_is_not_touched(
        driver, create, made, meta, glance_image, pool):
    volume = host.volume()
    driver.create_volume(volume)
    pool.headers.update(volume.name, {'mark': 'mine'})

    with pytest.raises(exception.VolumeBackendAPIException,
                       match='exists already'):
        create(driver, meta, glance_image(meta['id']), volume=volume)

    assert pool.headers.metadata(volume.name) == {'mark': 'mine'}


@pytest.mark.parametrize('facts', [
    {'disk_format': 'qcow2'}, {'container_format': 'compressed'}])
def test_what_is_not_raw_is_left_to_others(cluster, create, meta, pool,
                                           glance_image, contents, facts):
    driver = host.make(cluster, 'volumes',
                       rbd_imgdriver_strategies=['rbd-clone'])

    _, update, done = create(driver, {**meta, **facts},
                             glance_image(meta['id']))

    assert (update, done) == ({}, False)
    assert contents() == ([], [])
