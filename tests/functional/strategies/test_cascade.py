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
"""The cascade: order, record, what ends a create, and what is left."""

import logging

from cinder import exception
from cinder.message import message_field
from oslo_config import cfg
import pytest
import rbd

from tests.functional import host

CONF = cfg.CONF
GIB = 2**30


@pytest.fixture
def meta(qcow2):
    return host.image_meta(qcow2, 'qcow2')


@pytest.fixture
def service(qcow2):
    return host.ImageService(qcow2)


def test_one_line_says_how_a_volume_was_made(caching, create, meta, service,
                                             caplog):
    with caplog.at_level(logging.INFO, 'rbd_imgdriver.provision'):
        volume, _, _ = create(caching, meta, service=service)

    lines = [record.getMessage() for record in caplog.records
             if record.levelno == logging.INFO
             and record.name == 'rbd_imgdriver.provision']
    assert len(lines) == 1
    for words in (volume.name, meta['id'], 'by import in ',
                  f'{meta["size"]} bytes moved', 'parent volumes/image-cache-',
                  'rbd-clone: not-raw', 'cached-clone: not-cached'):
        assert words in lines[0]


def test_import_fills_the_cache_and_then_it_is_a_clone(
        caching, create, made, meta, service, disk):
    first, _, _ = create(caching, meta, service=service)
    second, _, _ = create(caching, meta, service=service, size=2)

    one, two = made(first), made(second)
    assert one.strategy == 'import'
    assert one.metadata['rbd-imgdriver/bytes_moved'] == str(meta['size'])
    assert two.strategy == 'cached-clone'
    assert two.metadata['rbd-imgdriver/bytes_moved'] == '0'
    assert one.parent == two.parent
    assert one.data == two.data == disk.read_bytes()
    assert (one.size, two.size) == (GIB, 2 * GIB)
    assert service.downloads == 1
    # What describes the golden image is not on its clones.
    assert not any('cache/' in key for key in two.metadata)


def test_without_the_cache_the_volume_has_no_parent(driver, create, made,
                                                    meta, service, disk):
    volume, _, _ = create(driver, meta, service=service)

    result = made(volume)
    assert result.strategy == 'import'
    assert result.parent is None
    assert result.size == GIB
    assert result.data == disk.read_bytes()


def test_depth_zero_makes_full_copies_of_the_cache(cluster, create, made,
                                                   meta, service, disk):
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=True,
                       rbd_max_clone_depth=0)
    for strategy in ('import', 'cached-clone'):
        result = made(create(driver, meta, service=service)[0])
        assert result.strategy == strategy
        assert result.parent is None
        assert result.data == disk.read_bytes()


def test_the_operator_chooses_the_order(cluster, create, made, meta, service):
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=True,
                       rbd_imgdriver_strategies=['cached-clone', 'import'])
    result = made(create(driver, meta, service=service)[0])
    assert result.declined.startswith('cached-clone: not-cached ')


def test_a_strategy_that_does_not_exist_is_refused(cluster, pool):
    with pytest.raises(ValueError, match='rbd-copy'):
        host.make(cluster, 'volumes', rbd_imgdriver_strategies=['rbd-copy'])


@pytest.mark.parametrize(('facts', 'error'), [
    ({'os_hash_value': '0' * 128}, exception.ImageDownloadFailed),
    ({'disk_format': 'raw'}, exception.ImageUnacceptable),
    ({'disk_format': 'vmdk'}, exception.ImageUnacceptable),
    ({'disk_format': 'docker'}, exception.ImageUnacceptable),
    ({'virtual_size': 2 * GIB}, exception.ImageUnacceptable),
])
@pytest.mark.parametrize('cached', [True, False])
def test_what_no_strategy_could_do_ends_the_create(
        cluster, create, meta, service, contents, cinder_config, messages,
        facts, error, cached):
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=cached)

    with pytest.raises(error):
        create(driver, {**meta, **facts}, service=service)

    assert contents() == ([], [])
    # But for the ledgers of who has reserved how much, nothing is there.
    assert [path.name for path in (cinder_config / 'conversion').iterdir()
            if not path.name.startswith('rbd-imgdriver-')] == []


def test_an_image_that_glance_has_deleted(caching, create, meta, service,
                                          contents, messages):
    service.gone = True
    with pytest.raises(exception.ImageNotFound):
        create(caching, meta, service=service)
    assert contents() == ([], [])


@pytest.fixture
def conversion_disabled():
    CONF.set_override('image_conversion_disable', True)
    yield
    CONF.clear_override('image_conversion_disable')


def test_the_user_is_told_as_by_cinder(conversion_disabled, driver, create,
                                       meta, service, messages):
    with pytest.raises(exception.ImageConversionNotAllowed):
        create(driver, meta, service=service)

    assert [message['detail'] for message in messages] == [
        message_field.Detail.IMAGE_FORMAT_UNACCEPTABLE]


def test_what_is_not_ours_in_a_parent_is_not_inherited(
        driver, create, made, disk, glance_image, admin):
    raw = host.image_meta(disk, 'raw')
    url = glance_image(raw['id'])
    with admin.open_ioctx('images') as ioctx, \
            rbd.Image(ioctx, raw['id']) as image:
        image.metadata_set('conf_rbd_qos_iops_limit', '10')
        image.metadata_set('rbd-imgdriver/cache/rbd_id', 'x')

    volume, _, _ = create(driver, raw, url)

    assert set(made(volume).metadata) == {
        'rbd-imgdriver/strategy', 'rbd-imgdriver/declined',
        'rbd-imgdriver/bytes_moved'}
