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
"""What stack.sh made with the plugin's default: a Ceph of one node."""

import base64
import os
import pathlib
import subprocess
import sys
import uuid

import pytest

from rbd_imgdriver_tempest_plugin import stored

# Glance gives its RBD image the image's id.
IMAGE = str(uuid.uuid4())
TOP = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def image(one_node, tmp_path):
    """An image as Glance's RBD store leaves it: its file and location."""
    disk = tmp_path / 'disk.raw'
    disk.write_bytes(b'\xeb\x63\x90boot' * 600000)
    for words in (('import', str(disk), f'images/{IMAGE}'),
                  ('snap', 'create', f'images/{IMAGE}@snap'),
                  ('snap', 'protect', f'images/{IMAGE}@snap')):
        assert one_node.rbd('glance', *words)
    fsid = one_node.conf('etc/ceph/ceph.conf')['global']['fsid']
    yield disk, f'rbd://{fsid}/images/{IMAGE}/snap'
    one_node.rbd('glance', 'snap', 'unprotect', f'images/{IMAGE}@snap')
    one_node.rbd('glance', 'snap', 'purge', f'images/{IMAGE}')
    one_node.rbd('glance', 'rm', f'images/{IMAGE}')


def test_ceph_is_healthy(one_node):
    assert sorted(one_node.daemons()) == ['ceph-mgr', 'ceph-mon', 'ceph-osd']
    health = one_node.ceph('health')
    assert health.stdout.strip() == 'HEALTH_OK'


def test_daemons_do_not_belong_to_the_script(one_node):
    for name, pid in one_node.daemons().items():
        assert os.getsid(pid) != os.getsid(0), name
        files = [str(path.readlink())
                 for path in pathlib.Path(f'/proc/{pid}/fd').glob('[012]')]
        assert files == ['/dev/null'] * 3, name


def test_a_volume_with_the_resulting_cinder_conf(one_node, image):
    disk, url = image
    done = subprocess.run(
        [sys.executable, '-m', 'tests.devstack.create_volume',
         one_node.dest / 'etc/cinder/cinder.conf', disk, url],
        cwd=TOP, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-3000:]
    pool, name = done.stdout.split()
    assert pool == 'volumes'
    info = one_node.ceph('info', f'{pool}/{name}', program='rbd')
    assert f'parent: images/{IMAGE}@snap' in info.stdout
    assert one_node.rbd('cinder', 'rm', f'{pool}/{name}')


def test_cinder_conf(one_node):
    conf = one_node.conf('etc/cinder/cinder.conf')
    assert conf['DEFAULT']['enabled_backends'] == 'fast,slow'
    for name, pool in ('fast', 'volumes'), ('slow', 'volumes2'):
        section = conf[name]
        assert section['volume_backend_name'] == name
        assert (section['volume_driver']
                == 'rbd_imgdriver.driver.RBDImageDriver')
        assert section['rbd_pool'] == pool
        assert section['rbd_user'] == 'cinder'
        assert section['rbd_ceph_conf'] == str(one_node.ceph_dir / 'ceph.conf')
        assert section['rbd_secret_uuid']


def test_backups(one_node):
    conf = one_node.conf('etc/cinder/cinder.conf')['DEFAULT']
    assert (conf['backup_driver']
            == 'cinder.backup.drivers.ceph.CephBackupDriver')
    assert conf['backup_ceph_user'] == 'cinder-bak'
    assert conf['backup_ceph_pool'] == 'backups'
    assert conf['backup_ceph_conf'] == str(one_node.ceph_dir / 'ceph.conf')


@pytest.mark.parametrize(('user', 'pools'), [
    ('cinder', {'volumes', 'volumes2'}), ('glance', {'images'}),
    ('cinder-bak', {'backups'})])
def test_a_user_writes_to_its_pools_only(one_node, user, pools):
    for pool in 'volumes', 'volumes2', 'images', 'backups':
        made = one_node.rbd(user, 'create', '--size', '8', f'{pool}/probe')
        assert made == (pool in pools), pool
        if made:
            assert one_node.rbd(user, 'rm', f'{pool}/probe')


def test_cinder_reads_images(one_node, image):
    assert one_node.rbd('cinder', 'info', f'images/{IMAGE}')
    assert not one_node.rbd('cinder', 'snap', 'create', f'images/{IMAGE}@mine')


def test_glance_api_conf(one_node):
    conf = one_node.conf('etc/glance/glance-api.conf')
    assert conf['DEFAULT']['show_image_direct_url'] == 'True'
    assert 'show_multiple_locations' not in conf['DEFAULT']
    assert conf['DEFAULT']['enabled_backends'] == 'rbd:rbd,web:http'
    assert conf['glance_store']['default_backend'] == 'rbd'
    assert conf['rbd']['rbd_store_pool'] == 'images'
    assert conf['rbd']['rbd_store_user'] == 'glance'
    assert (conf['rbd']['rbd_store_ceph_conf']
            == str(one_node.ceph_dir / 'ceph.conf'))
    for store in 'os_glance_staging_store', 'os_glance_tasks_store':
        assert conf[store]['filesystem_store_datadir'].startswith(
            f'{one_node.dest}/data/glance/')


def test_nova_conf_and_the_secret(one_node):
    uuid = one_node.conf('etc/cinder/cinder.conf')['fast']['rbd_secret_uuid']
    for name in 'nova.conf', 'nova-cpu.conf':
        conf = one_node.conf(f'etc/nova/{name}')
        assert conf['libvirt']['rbd_user'] == 'cinder'
        assert conf['libvirt']['rbd_secret_uuid'] == uuid
        # What ran in the background meanwhile has lost nothing.
        assert [key for key in conf['neutron']
                if key.startswith('option')] == [
            f'option_{number}' for number in range(9, 0, -1)]
    key = one_node.ceph('auth', 'print-key', 'client.cinder').stdout.strip()
    value = (one_node.dest / f'secrets/{uuid}.value').read_bytes()
    assert value == base64.b64decode(key)


def test_no_key_in_the_log_or_on_a_command_line(one_node):
    log = (one_node.dest / 'stack.log').read_text()
    for user in 'admin', 'cinder', 'glance', 'cinder-bak', 'tempest':
        key = one_node.ceph('auth', 'print-key',
                           f'client.{user}').stdout.strip()
        assert key
        assert key not in log
        assert not any(key in call for call in one_node.calls())


def test_keyrings_are_private_but_that_of_who_only_reads(one_node):
    modes = {path.name.split('.')[2]: path.stat().st_mode & 0o777
             for path in one_node.ceph_dir.glob('*.keyring')}
    assert modes == {'admin': 0o600, 'cinder': 0o600, 'glance': 0o600,
                     'cinder-bak': 0o600, 'tempest': 0o644}


def test_tempest_reads_volumes_and_writes_none(one_node):
    name = 'volumes/volume-seen'
    assert one_node.rbd('cinder', 'create', '--size', '8', name)
    assert one_node.rbd('cinder', 'image-meta', 'set', name,
                        'rbd-imgdriver/strategy', 'import')

    pool = stored.Pool(str(one_node.ceph_dir / 'ceph.conf'), 'tempest',
                       'volumes')
    assert pool.stored('seen').strategy == 'import'
    assert pool.depth('seen') == 0
    assert pool.first_bytes('seen', 3) == bytes(3)
    for words in (('create', '--size', '8', 'volumes/mine'),
                  ('resize', '--size', '16', name), ('rm', name),
                  ('ls', 'backups')):
        assert not one_node.rbd('tempest', *words), words
    assert one_node.rbd('cinder', 'rm', name)


def test_tempest_conf(one_node):
    conf = one_node.conf('tempest/etc/tempest.conf')
    assert conf['volume']['storage_protocol'] == 'ceph'
    assert conf['volume']['vendor_name'] == 'Open Source'
    assert conf['volume']['manage_snapshot_ref'] == 'source-name,snapshot-%s'
    assert conf['volume']['backup_driver'] == 'ceph'
    assert conf['rbd_imgdriver']['volume_type'] == 'fast'
    assert conf['rbd_imgdriver']['pool'] == 'volumes'
    assert conf['rbd_imgdriver']['encrypted_volume_type'] == 'fast-luks'
    assert conf['rbd_imgdriver']['direct_url'] == 'True'
    assert conf['rbd_imgdriver']['ceph_user'] == 'tempest'
    assert (conf['rbd_imgdriver']['ceph_conf']
            == str(one_node.ceph_dir / 'ceph.conf'))
    for feature in ('volume_revert', 'manage_volume', 'manage_snapshot',
                    'extend_attached_volume'):
        assert conf['volume-feature-enabled'][feature] == 'True'


def test_the_environment_has_the_driver_and_the_bindings(one_node):
    code = ('import importlib.util as u, rados, rbd; '
            'print(u.find_spec("rbd_imgdriver").origin)')
    done = subprocess.run(
        [one_node.dest / 'data/venv/bin/python3', '-I', '-c', code],
        check=True, capture_output=True, text=True)
    assert done.stdout.strip() == str(
        one_node.plugin / 'rbd_imgdriver/__init__.py')


def test_cinder_is_not_installed_a_second_time(one_node):
    assert [call for call in one_node.calls()
            if call.startswith('pip_install')] == [
        f'pip_install -e file://{one_node.plugin}']
