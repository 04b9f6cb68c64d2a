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
"""rbd-clone, and every location that is no good."""

from cinder import exception
import pytest
import rbd

from tests.functional import host

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
    url = glance_image('an image \u00e9')

    volume, _, _ = create(driver, meta, url.replace(
        'an image \u00e9', 'an%20image%20%C3%A9'))

    assert made(volume).parent == ('images', 'an image \u00e9', 'snap')


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
    (lambda url: url.replace('/snap', '/other'), 'snapshot-not-found'),
    (lambda url: url.rsplit('/', 2)[0] + '/gone/snap', 'image-not-found'),
    (lambda url: url.rsplit('/', 1)[0], 'malformed-location'),
    (lambda url: url + '/more', 'malformed-location'),
    (lambda url: url.rsplit('/', 1)[0] + '/', 'malformed-location'),
    (lambda url: 'rbd://', 'malformed-location'),
    (lambda url: 'rbd://%ff/%fe/%fd/%fc', 'malformed-location'),
    (lambda url: url.rsplit('/', 2)[0] + f'/volume-{OTHER}/snap',
     'not-a-glance-image'),
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
        image.resize(2 * GIB)
        image.create_snap('larger')
        image.protect_snap('larger')

    with pytest.raises(exception.ImageUnacceptable, match='volume only'):
        create(driver, meta, url.replace('/snap', '/larger'))

    assert contents() == ([], [])


def test_a_volume_that_is_there_already_is_not_touched(
        driver, create, made, meta, glance_image, pool):
    volume = host.volume()
    driver.create_volume(volume)
    pool.update_metadata(volume.name, {'mark': 'mine'})

    with pytest.raises(exception.VolumeBackendAPIException,
                       match='exists already'):
        create(driver, meta, glance_image(meta['id']), volume=volume)

    assert pool.metadata(volume.name) == {'mark': 'mine'}


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
