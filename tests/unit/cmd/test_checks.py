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
"""What the doctor decides about facts."""

import pathlib
import shutil

import pytest

from rbd_imgdriver.cache import ciphertext
from rbd_imgdriver.cmd.checks import cluster
from rbd_imgdriver.cmd.checks import glance
from rbd_imgdriver.cmd.checks import hosts
from rbd_imgdriver.cmd.checks import options
from rbd_imgdriver.cmd.checks import pools
from rbd_imgdriver import model
from rbd_imgdriver.strategies import encrypted_clone
from tests.contract import fake_pool

GOOD = {
    'rbd_imgdriver_strategies': ['rbd-clone', 'cinder-clone', 'cached-clone',
                                 'import'],
    'image_volume_cache_enabled': True,
    'image_volume_cache_max_size_gb': 100,
    'image_volume_cache_max_count': 0,
    'allowed_direct_url_schemes': ['cinder'],
    'rbd_max_clone_depth': 5,
    'rbd_flatten_volume_from_snapshot': False,
    'rados_connect_timeout': 30,
    'rbd_secret_uuid': '7c7f5f3e-4bd1-4f9a-9f6e-2f6a3c1f0f11',
    'image_upload_use_cinder_backend': False,
    'image_upload_use_internal_tenant': False,
}
POOL = {'pool_name': 'volumes', 'size': 3, 'type': 1, 'flags_names':
        'hashpspool', 'application_metadata': {'rbd': {}},
        'quota_max_bytes': 0, 'pg_autoscale_mode': 'on'}
STATS = {'percent_used': 0.5, 'stored': 50, 'bytes_used': 150, 'objects': 5}
MIB = 2**20


def codes(found) -> list[str]:
    return [one.code for one in found]


def test_good_options_are_not_mentioned():
    assert codes(options.check('a', GOOD)) == []


@pytest.mark.parametrize(('change', 'code'), [
    ({'rbd_imgdriver_strategies': ['rbd-clone']}, 'no-import'),
    ({'rbd_imgdriver_strategies': []}, 'no-import'),
    ({'image_volume_cache_enabled': False}, 'cache-off'),
    ({'rbd_imgdriver_strategies': ['rbd-clone', 'import']},
     'cached-clone-missing'),
    ({'image_volume_cache_max_size_gb': 0}, 'cache-unlimited'),
    ({'allowed_direct_url_schemes': []}, 'cinder-scheme-missing'),
    ({'rbd_max_clone_depth': 0}, 'always-copies'),
    ({'rbd_flatten_volume_from_snapshot': True}, 'flatten-from-snapshot'),
    ({'rados_connect_timeout': -1}, 'no-timeout'),
    ({'rbd_secret_uuid': None}, 'no-secret'),
    ({'rbd_secret_uuid': 'cinder'}, 'secret-malformed'),
    ({'image_upload_use_cinder_backend': True}, 'image-volumes-of-tenants'),
])
def test_one_odd_option_is_found(change, code):
    assert code in codes(options.check('a', GOOD | change))


@pytest.mark.parametrize(('rules', 'asked_first', 'code', 'detail'), [
    ({}, True, 'encrypted-clones', 'volume_manager'),
    ({}, False, 'encrypted-downloads', 'volume_manager'),
    ({'sharing': ciphertext.Sharing.OFF}, True, 'encrypted-imports',
     'rbd_imgdriver_encrypted_clones'),
    ({'cached': False}, True, 'encrypted-imports',
     'image_volume_cache_enabled'),
    ({'max_depth': 0}, False, 'encrypted-imports', 'rbd_max_clone_depth'),
])
def test_how_encrypted_volumes_are_made(rules, asked_first, code, detail):
    refused = encrypted_clone.objection(
        model.Target('id', 'volume-id', 2**30), encrypted_clone.Rules(**{
            'sharing': ciphertext.Sharing.PROJECT, 'order': 22,
            'max_depth': 5, 'cached': True, **rules}))

    found = list(options.encrypted('a', refused, asked_first))

    assert codes(found) == [code]
    assert detail in found[0].detail


def test_cryptsetup_is_looked_for(monkeypatch, tmp_path):
    program = tmp_path / 'cryptsetup'
    monkeypatch.setattr(shutil, 'which', lambda name, path: (
        str(program) if program.exists() else None))
    assert codes(hosts.cryptsetup()) == ['cryptsetup-missing']
    program.touch()

    assert codes(hosts.cryptsetup()) == []


def test_misspelt_options_are_found_and_others_left_alone():
    known = {'rbd_pool', 'image_volume_cache_max_count', 'volume_clear',
             'rbd_imgdriver_strategies', 'rados_connect_timeout'}
    odd = ['image_volum_cache_max_count', 'image_volume_cach_max_count',
           'image_volume_cache_enable', 'rado_connect_timeout',
           'rbd_imgdriver_strategy', 'rbd_poool', 'rdb_imgdriver_strategies']

    found = list(options.unknown(
        'a', {*odd, 'rbd_pool', 'foo', 'volume_clear_sise', 'pool'}, known))

    assert [one.detail for one in found] == odd
    assert set(codes(found)) == {'unknown-option'}


@pytest.mark.parametrize(('cluster', 'url', 'found'), [
    (None, 'file:///var/lib/cinder', []),
    ('c', 'file:///var/lib/cinder', ['coordination-local']),
    ('c', 'etcd3+http://etcd:2379', []),
    ('c', 'redis://:secret@host', []),
])
def test_an_active_active_cluster_needs_shared_locks(cluster, url, found):
    assert codes(options.coordination(cluster, url)) == found


def test_a_secret_in_the_backend_url_is_not_shown():
    found = list(options.coordination('c', 'file://user:secret@/path'))

    assert 'secret' not in found[0].detail


def pool_codes(pool=None, stats=None) -> list[str]:
    return codes(pools.check(
        'volumes', {'pools': [POOL | (pool or {})]},
        {'pools': [{'name': 'volumes', 'stats': STATS | (stats or {})}]}))


def test_a_good_pool_is_not_mentioned():
    assert pool_codes() == []


@pytest.mark.parametrize(('pool', 'stats', 'code'), [
    ({'flags_names': 'hashpspool,full'}, {}, 'pool-full'),
    ({'flags_names': 'full_quota'}, {}, 'pool-full'),
    ({}, {'percent_used': 0.86}, 'pool-nearly-full'),
    ({'quota_max_bytes': 55}, {}, 'pool-nearly-full'),
    ({'quota_max_objects': 5}, {}, 'pool-nearly-full'),
    ({'size': 1}, {}, 'single-copy'),
    ({'application_metadata': {}}, {}, 'no-application'),
    ({'pg_autoscale_mode': 'off'}, {}, 'autoscaler-off'),
])
def test_one_odd_thing_about_a_pool_is_found(pool, stats, code):
    assert pool_codes(pool, stats) == [code]


def test_a_quota_is_of_what_is_stored_and_not_of_its_copies():
    # Three copies of 40 GiB are 120 of the 100, and yet 60 are left.
    assert pool_codes({'quota_max_bytes': 100},
                      {'stored': 40, 'bytes_used': 120}) == []


@pytest.mark.parametrize(('configured', 'found'), [
    ('61', []), ('125', []), ('0', []), (None, []), ('13', []),
    ('1', ['features-missing']), ('5', ['features-missing']),
    ('9', ['features-missing']), ('60', ['features-missing'])])
def test_features_that_new_images_lack(configured, found):
    assert codes(pools.features('volumes', configured)) == found


def test_no_clone_is_tried_of_a_pool_that_is_full():
    """A clone is noted at its parent, too: that would hang."""
    pool = fake_pool.FakePool()
    picture = image('a', disk_format='raw', locations=(
        f'rbd://{pool.fsid()}/images/a/snap',))

    def found(flags: str) -> list[str]:
        dump = {'pools': [POOL | {'pool_name': 'images',
                                  'flags_names': flags}]}
        return codes(cluster.glance_clone(
            pool, [picture], {'volumes'},
            cluster.Answers({}, dump, {'pools': []})))

    assert found('hashpspool,full') == ['pool-full']
    assert found('hashpspool') == ['glance-clone-failed']  # there is none
    assert pool.directory.ids() == {}


def test_an_erasure_coded_pool_is_no_single_copy():
    assert pool_codes({'type': 3, 'size': 1}) == []


def test_a_missing_pool_is_found():
    assert codes(pools.check('volumes', {'pools': []}, {'pools': []})) == [
        'pool-missing']


def test_images_with_many_snapshots_are_found():
    found = list(pools.snapshots({'a': 10, 'b': 408, 'c': 511, 'd': 407}))

    assert [(one.subject, one.code) for one in found] == [
        ('b', 'many-snapshots'), ('c', 'too-many-snapshots')]


MOUNTS = '''\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:25 / /tmp rw,nosuid shared:1 - tmpfs tmpfs rw
31 22 8:2 / /tmporary rw - xfs /dev/sda2 rw
'''


@pytest.mark.parametrize(('path', 'kind'), [
    ('/', 'ext4'), ('/tmp', 'tmpfs'), ('/tmp/cinder/conversion', 'tmpfs'),
    ('/tmporary/x', 'xfs'), ('/var/lib', 'ext4')])
def test_the_file_system_of_a_path(path, kind):
    assert hosts.file_system(pathlib.Path(path), MOUNTS) == kind


def test_a_conversion_directory_is_measured(tmp_path):
    assert codes(hosts.conversion_dir(str(tmp_path)))[0] == 'conversion-dir'
    assert codes(hosts.conversion_space(str(tmp_path), 1)) == []
    assert codes(hosts.conversion_space(str(tmp_path), None)) == []
    assert codes(hosts.conversion_space(str(tmp_path), 2**60)) == [
        'conversion-dir-small']
    none = str(tmp_path / 'none')
    assert codes(hosts.conversion_dir(none)) == ['conversion-dir-unusable']
    assert codes(hosts.conversion_space(none, 2**60)) == []


def test_a_conversion_directory_in_memory():
    assert 'conversion-dir-memory' in codes(hosts.conversion_dir('/dev/shm'))


def test_nobody_converts_as_root():
    assert codes(hosts.converter('root', 2**32)) == ['converter-user-root']
    assert codes(hosts.converter('no such user', 2**32)) == [
        'converter-user-missing']


def test_qemu_img_has_to_know_its_formats():
    answer = 'qemu-img version 7.2.22 (Debian)\n\nSupported formats: raw qcow2'

    poor = hosts.qemu_facts('qemu-img', answer)
    good = hosts.qemu_facts('qemu-img', answer + ' vmdk vdi vhdx vpc rbd')

    assert poor.code == 'qemu-unusable'
    assert poor.detail.endswith('vmdk, vdi, vhdx, vpc, rbd')
    assert good.code == 'qemu'
    assert codes(hosts.qemu_img('/nonexistent')) == ['qemu-unusable']


def image(id_: str, **facts) -> model.Image:
    return model.Image(id_, **{
        'disk_format': 'qcow2', 'container_format': 'bare', 'size': MIB,
        'checksum': 'x', 'locations': ('rbd://fsid/images/a/snap',), **facts})


@pytest.mark.parametrize(('images', 'found'), [
    ([image('a')], []),
    ([], []),
    ([image('a', locations=())], ['locations-hidden']),
    ([image('a'), image('b', locations=())], []),
    ([image('a', checksum=None)], ['no-hash']),
])
def test_what_glance_shows(images, found):
    assert codes(glance.check(images)) == found


@pytest.mark.parametrize(('facts', 'found'), [
    ({}, []),
    ({'forbidden': True}, ['locations-forbidden']),
    ({'settable': True}, ['locations-settable']),
    ({'sees_all': False}, ['images-hidden']),
])
def test_what_glance_allows(facts, found):
    facts = {'forbidden': False, 'settable': False, 'sees_all': True, **facts}
    assert codes(glance.rights(**facts)) == found


def test_only_what_is_converted_from_a_file_needs_space():
    assert glance.largest_download([
        image('here'), image('raw', disk_format='raw', locations=()),
        image('small', size=2 * MIB, locations=()),
        image('there', size=3 * MIB)], lambda image: image.id == 'here',
    ) == 3 * MIB
    assert glance.largest_download([image('here')], lambda _: True) is None
