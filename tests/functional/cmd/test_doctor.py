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
"""``doctor`` on a real cluster."""

import base64
import json
import pathlib
import re
import socket
import struct
import subprocess
import sys
import time

import pytest
import rbd

from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.cache import sweep
from rbd_imgdriver.importer import temporary
from sandbox import ceph
from sandbox import polling
from tests.functional.conftest import CAPS
from tests.functional.daemons import paused


def test_a_deployment_that_works(doctor, glance, glance_image, disk):
    id_ = glance.add(disk.read_bytes())
    glance.locate(id_, glance_image(id_))

    found = doctor(code=6)  # one copy of each object: it is a test cluster

    assert {'cluster', 'probe', 'glance', 'glance-clone', 'qemu',
            'conversion-dir', 'single-copy'} <= set(found)
    assert found['probe']['detail'] == 'clones of format 2'
    assert [code for code, one in found.items()
            if one['severity'] == 'warning'] == [
                'converter-user-shared', 'single-copy']


def test_how_encrypted_volumes_are_made(doctor, manage):
    assert 'encrypted-downloads' in doctor(code=6)
    _change(manage, '[DEFAULT]', '[DEFAULT]\nvolume_manager = '
            'rbd_imgdriver.manager.VolumeManager')
    assert 'encrypted-clones' in doctor(code=6)
    _change(manage, 'rbd_pool = volumes',
            'rbd_pool = volumes\nrbd_imgdriver_encrypted_clones = off')

    found = doctor(code=6)

    assert found['encrypted-imports']['detail'] == (
        'rbd_imgdriver_encrypted_clones is off')


def test_a_user_who_may_not_read_glances_pool(
        doctor, cluster, manage, glance, glance_image, disk):
    cluster.create_user('narrow', {'mon': 'profile rbd',
                                   'osd': 'profile rbd pool=volumes',
                                   'mgr': 'profile rbd pool=volumes'})
    id_ = glance.add(disk.read_bytes())
    glance.locate(id_, glance_image(id_))
    _change(manage, 'rbd_user = cinder', 'rbd_user = narrow')
    _change(manage, str(cluster.conf('cinder')), str(cluster.conf('narrow')))

    found = doctor(code=7)

    assert 'profile rbd-read-only' in found['glance-clone-failed']['remedy']
    assert 'probe' in found


def test_tenants_who_may_set_locations(doctor, glance, disk):
    glance.add(disk.read_bytes(), locations=[])

    found = doctor(code=7)

    assert found['locations-settable']['severity'] == 'error'
    assert 'show_multiple_locations = False' in (
        found['locations-settable']['remedy'])


def test_a_user_from_whom_glance_hides_images(doctor, glance, disk):
    glance.add(disk.read_bytes())
    glance.hide()

    assert 'images-hidden' in doctor(code=6)


def test_a_user_who_may_not_write(doctor, cluster, manage):
    cluster.create_user('reader', {
        'mon': 'profile rbd', 'osd': 'profile rbd-read-only pool=volumes'})
    _change(manage, 'rbd_user = cinder', 'rbd_user = reader')
    _change(manage, str(cluster.conf('cinder')), str(cluster.conf('reader')))

    assert 'probe-failed' in doctor(code=7)


def test_a_cluster_that_does_not_answer(doctor, manage, cluster, tmp_path):
    conf = tmp_path / 'ceph.conf'
    conf.write_text('[global]\nmon_host = 127.0.0.1:1\n')
    _change(manage, str(cluster.conf('cinder')), str(conf))
    began = time.monotonic()

    found = doctor(code=7)

    assert found['cluster-unreachable']['severity'] == 'error'
    assert 'conversion-dir' in found
    assert time.monotonic() - began < 60


def test_a_key_that_librados_cannot_read(doctor, manage, cluster, tmp_path):
    """It is not the network."""
    header = struct.pack('<HIIH', 2, 1_700_000_000, 0, 32)
    key = base64.b64encode(header + bytes(range(32))).decode()
    (tmp_path / 'keyring').write_text(f'[client.cinder]\n\tkey = {key}\n')
    conf = tmp_path / 'ceph.conf'
    conf.write_text(pathlib.Path(cluster.conf('cinder')).read_text()
                    + f'\nkeyring = {tmp_path}/keyring\n')
    _change(manage, str(cluster.conf('cinder')), str(conf))

    found = doctor(code=7)

    if 'cluster-unreachable' in found:  # Ceph 20.2.4 can read it
        pytest.skip('the installed librados reads such keys')
    assert 'auth_allowed_ciphers' in found['key-too-new']['remedy']
    assert key not in str(found)


@pytest.mark.parametrize('name', ['nonesuch', 'volumes/namespace'])
def test_a_pool_that_does_not_exist(doctor, manage, name):
    _change(manage, 'rbd_pool = volumes', f'rbd_pool = {name}')

    found = doctor(code=7)

    assert found['pool-missing']['subject'] == name
    assert 'namespace' in found['pool-missing']['remedy']


def test_without_glance(doctor, glance):
    glance.fail()

    found = doctor(code=7)

    assert '[glance]' in found['glance-unreachable']['remedy']
    assert 'probe' in found


def test_odd_options_and_many_snapshots(doctor, manage, pool, admin):
    _change(manage, 'rbd_pool = volumes',
            'rbd_pool = volumes\nrbd_imgdriver_strategy = import\n'
            'rbd_max_clone_depth = 0')
    pool.images.create('volume-1', 2**20, 20)
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, 'volume-1') as image:
        image.create_snap('one')
    pool.images.create('.partial-image-cache-dead-0', 2**20, 20)

    found = doctor(code=6)

    assert found['unknown-option']['detail'] == 'rbd_imgdriver_strategy'
    assert 'always-copies' in found
    assert '.partial-image-cache-dead-0' in found['leftovers']['detail']
    assert 'many-snapshots' not in found


def test_a_trash_that_ceph_purges(doctor, admin):
    asked = {'prefix': 'rbd trash purge schedule add',
             'level_spec': 'volumes/', 'interval': '1d'}
    code, _, text = admin.mgr_command(json.dumps(asked), b'')
    if text.startswith('No handler found'):
        # Debian 13's ceph-mgr loads no modules: PyO3 and sub-interpreters.
        pytest.skip('the manager has no rbd_support module')
    assert code == 0, text
    try:
        found = doctor(code=6)
    finally:
        admin.mgr_command(json.dumps(asked | {
            'prefix': 'rbd trash purge schedule remove'}), b'')

    assert found['trash-schedule']['detail'] == 'every 1d'
    assert 'trash-schedule' not in doctor(code=6)


@pytest.mark.parametrize(('caps', 'found'), [
    ({'mon': 'allow r'}, {'monitor-caps'}),
    ({'mgr': ''}, {'manager-caps'}),
    ({'mon': 'allow *'}, {'caps-wide'}),
    ({'osd': 'profile rbd pool=volumes2'}, {'pool-forbidden'}),
    # Neither lets a client call the object classes of RBD.
    ({'osd': 'allow rw pool=volumes'}, {'pool-forbidden', 'probe-failed'}),
    ({'osd': 'allow rw class-read pool=volumes'}, {'probe-failed'}),
])
def test_one_thing_wrong_with_the_capabilities(doctor, cluster, manage, caps,
                                               found):
    caps = {**CAPS, **caps}
    cluster.create_user('odd', {one: text for one, text in caps.items()
                                if text})
    _change(manage, 'rbd_user = cinder', 'rbd_user = odd')
    _change(manage, str(cluster.conf('cinder')), str(cluster.conf('odd')))

    seen = _wrong(doctor)

    assert len(seen) == 1
    assert seen <= found


@pytest.mark.parametrize(('line', 'found'), [
    ('rbd_default_clone_format = 1', {'clone-format-set'}),
    ('rbd_default_features = 1', {'features-missing'}),
    ('rbd_default_data_pool = nonesuch', {'data-pool-missing'}),
    ('rbd_default_data_pool = volumes2', set()),
    ('keyring = /nonexistent', {'cluster-unreachable'}),
    ('key = AQBzdGh1dmFs8hAAc2VjcmV0c2VjcmV0c2VjcmU=',
     {'cluster-unreachable'}),
])
def test_one_thing_wrong_with_ceph_conf(doctor, cluster, manage, tmp_path,
                                        line, found):
    conf = tmp_path / 'ceph.conf'
    text = pathlib.Path(cluster.conf('cinder')).read_text()
    if line.startswith('key'):
        text = '\n'.join(one for one in text.splitlines()
                         if not one.startswith('keyring'))
    conf.write_text(f'{text}\n{line}\n')
    _change(manage, str(cluster.conf('cinder')), str(conf))

    assert _wrong(doctor) == found


@pytest.mark.parametrize(('old', 'new', 'found'), [
    ('rbd_user = cinder', 'rbd_user = nobody', 'cluster-unreachable'),
    ('rbd_ceph_conf = ', 'rbd_ceph_conf = /nonexistent',
     'cluster-unreachable'),
    ('rbd_user = cinder', 'rbd_user = cinder\nrbd_max_clone_depth = many',
     'option-invalid'),
    ('[DEFAULT]', '[DEFAULT]\nallow_availability_zone_fallback = perhaps',
     'option-invalid'),
    ('[theirs]', '[backend_defaults]\nrbd_max_clone_dept = 3\n[theirs]',
     'unknown-option'),
    ('rbd_user = cinder', 'rbd_user = cinder\nimage_volume_cach_max_count = 1',
     'unknown-option'),
    ('[ours]', '[ours]\nrbd_secret_uuid = cinder', 'secret-malformed'),
    ('[ours]', '[ours]\nrbd_imgdriver_prefetch_transport_url = '
     'rabbit://cinder:pass@127.0.0.1:1/', 'notifications-unreachable'),
    ('conversion\n', 'none\n', 'conversion-dir-unusable'),
    ('auth_strategy = noauth', '', 'glance-unreachable'),
    # Cinder reads it in the backend's section only.
    ('image_volume_cache_enabled = true\n',
     '[DEFAULT]\nimage_volume_cache_enabled = true\n', 'cache-off'),
])
def test_one_thing_wrong_with_cinder_conf(doctor, manage, old, new, found):
    _change(manage, old, new)

    assert _wrong(doctor) == {found}


def test_a_password_that_is_wrong_and_a_keystone_that_is_down(
        doctor, manage, glance):
    _change(manage, 'auth_strategy = noauth', '')
    manage.conf.write_text(manage.conf.read_text() + f"""
[glance]
auth_type = password
auth_url = {glance.url}/v3
username = cinder
password = wrong-password
project_name = service
user_domain_name = Default
project_domain_name = Default
""")

    found = doctor(code=7)
    _change(manage, f'auth_url = {glance.url}', 'auth_url = http://127.0.0.1:1')
    down = doctor(code=7)

    for one in (found, down):
        assert '[glance]' in one['glance-unreachable']['remedy']
        assert 'glance-clone-untested' not in one
        assert 'wrong-password' not in str(one)


@pytest.mark.parametrize(('ratios', 'found'), [
    ((0.00001, 0.9, 0.95), {'cluster-nearly-full'}),
    ((0.00001, 0.00002, 0.00003), {'cluster-full', 'pool-full'}),
])
def test_a_cluster_that_fills_up(doctor, cluster, ratios, found):
    """And no advice about capabilities."""
    names = ('nearfull', 'backfillfull', 'full')
    try:
        with cluster.connection() as client:
            for name, ratio in zip(names, ratios, strict=True):
                ceph.command(client, f'osd set-{name}-ratio', ratio=ratio)
        _await_health(cluster, 'OSD_NEARFULL' if len(found) == 1
                      else 'OSD_FULL')
        seen = _wrong(doctor)
    finally:
        with cluster.connection() as client:
            for name, ratio in zip(names, (0.85, 0.9, 0.95), strict=True):
                ceph.command(client, f'osd set-{name}-ratio', ratio=ratio)
        _await_health(cluster, None)

    assert seen - {'pool-nearly-full'} == found


def test_a_quota_that_is_used_up(doctor, cluster, pool):
    pool.images.create('volume-1', 2**20, 20)
    try:
        cluster.command('osd pool set-quota', pool='volumes',
                        field='max_objects', val='1')
        _await_health(cluster, 'POOL_FULL')
        found = _wrong(doctor)
    finally:
        cluster.command('osd pool set-quota', pool='volumes',
                        field='max_objects', val='0')
        _await_health(cluster, None)

    assert found == {'pool-full'}


def test_without_a_manager(doctor, cluster):
    manager = _daemon(cluster, 'ceph-mgr')
    manager.stop()
    try:
        found = _wrong(doctor)
    finally:
        manager.launch()
        manager.await_ready()

    assert found == {'manager-down'}


def test_clients_that_are_too_old(doctor, cluster):
    cluster.command('osd set-require-min-compat-client', version='luminous')
    try:
        found = doctor(code=6)
    finally:
        cluster.command('osd set-require-min-compat-client', version='mimic')

    assert 'min-compat-client' in found['clone-format-1']['remedy']


def test_pools_that_are_one_by_two_spellings(doctor, cluster, manage,
                                             tmp_path):
    """A cluster is known by its fsid."""
    other = tmp_path / 'other.conf'
    other.write_text(pathlib.Path(cluster.conf('cinder')).read_text())
    manage.conf.write_text(manage.conf.read_text() + f"""
[theirs]
rbd_ceph_conf = {other}
rbd_user = cinder
rbd_pool = volumes
[more]
volume_driver = rbd_imgdriver.driver.RBDImageDriver
rbd_ceph_conf = {other}
rbd_user = cinder
rbd_pool = volumes
rbd_max_clone_depth = 2
image_volume_cache_enabled = true
image_volume_cache_max_count = 7
""")
    _change(manage, 'enabled_backends = ours', 'enabled_backends = more, ours')

    assert _wrong(doctor) == {'pool-shared-with-intree', 'depth-differs',
                              'cache-limits-differ'}


@pytest.mark.parametrize(('which', 'code'), [
    ('ceph-mon', 'cluster-unreachable'), ('ceph-osd.0', 'osds-unreachable')])
def test_it_ends_whatever_is_down(fresh, cluster, tmp_path, which, code):
    """A daemon stands still, and what else it asks accepts and is silent."""
    timeout = 30
    with socket.create_server(('127.0.0.1', 0)) as silent, \
            paused(_daemon(cluster, which)):
        where = f'127.0.0.1:{silent.getsockname()[1]}'
        _change(fresh, 'glance_api_servers = ',
                f'glance_api_servers = http://{where}\n#')
        fresh.conf.write_text(fresh.conf.read_text() + f"""
[coordination]
backend_url = etcd3+http://{where}
[database]
connection = mysql+pymysql://cinder:secret@{where}/cinder
""")
        began = time.monotonic()
        seen = fresh.json('doctor', '--timeout', str(timeout), code=7)
        took = time.monotonic() - began

    assert {code, 'glance-unreachable', 'coordination-unreachable',
            'database-unreachable'} <= {one['code'] for one in seen}
    # Of the time that it has, the checks have what its start left.
    waited = [int(seconds) for one in seen for seconds in re.findall(
        r'^no answer within (\d+) s$', one['detail'])]
    assert waited
    assert max(waited) < timeout
    # The rest is for a machine that has much to do.
    assert took < 90


def test_a_start_that_takes_most_of_the_time_is_mentioned(fresh):
    """As on a host that is busy; nobody starts in half a second."""
    found = {one['code'] for one in fresh.json('doctor', '--timeout', '1',
                                                code=None)}

    assert 'host-busy' in found


def test_a_probe_of_a_doctor_that_was_killed_goes(manage, pool, contents):
    """By the sweep, when Ceph has forgotten the client."""
    def is_left() -> bool:
        return any(temporary.is_marked(image.id, image.metadata)
                   for image in pool.directory.listed(temporary.PREFIX))

    for _ in range(10):
        process = subprocess.Popen(
            [sys.executable, '-m', 'rbd_imgdriver.cmd.manage', 'doctor',
             '--config-file', str(manage.conf)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not is_left() and process.poll() is None:
            pass
        process.kill()
        process.wait()
        if is_left():
            break
    else:
        pytest.fail('it was never caught in its work')

    def swept() -> bool:
        later = time.time() + 3600
        sweep.Sweep(cache_store.Store(pool), lambda _: True,
                    clock=lambda: later).run()
        return contents() == ([], [])

    assert polling.wait_until(swept, timeout=300)


def test_a_disk_that_is_full(manage):
    with open('/dev/full', 'w') as full:
        done = subprocess.run(
            [sys.executable, '-m', 'rbd_imgdriver.cmd.manage', 'doctor',
             '--config-file', str(manage.conf)], stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=300)

    assert done.returncode == 1
    assert 'No space left' in done.stderr
    assert 'Traceback' not in done.stderr


def test_an_invalid_value_ends_every_verb_with_a_sentence(manage):
    _change(manage, 'rbd_user = cinder',
            'rbd_user = cinder\nrbd_imgdriver_concurrent_imports = many')

    done = manage.run('cache', 'list')

    assert done.returncode == 3
    assert 'rbd_imgdriver_concurrent_imports' in done.stderr
    assert 'Traceback' not in done.stderr


# What is odd about the cluster and the configuration of these tests.
_ALWAYS = {'single-copy', 'converter-user-shared'}


def _wrong(doctor) -> set[str]:
    """The codes of what a run warns of, beyond what it always does."""
    found = doctor(code=None)
    return {code for code, one in found.items()
            if one['severity'] in ('warning', 'error')} - _ALWAYS


def _daemon(cluster, name: str):
    return next(one for one in cluster.daemons() if one.name == name)


def _await_health(cluster, check: str | None) -> None:
    """Wait until Ceph reports something, or nothing any more."""
    def seen() -> bool:
        checks = cluster.command('health')['checks']
        return check in checks if check else not checks

    assert polling.wait_until(seen, timeout=300)


def _change(manage, old: str, new: str) -> None:
    text = manage.conf.read_text()
    assert old in text
    manage.conf.write_text(text.replace(old, new))
