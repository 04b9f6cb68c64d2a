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
"""stack.sh with a cluster that is not the plugin's to change."""

import pytest

REMOTE = {'RBD_IMGDRIVER_REMOTE_CEPH': 'True'}


@pytest.fixture
def machine(machines, one_node):
    """Another machine, with the first one's ceph.conf and keyrings."""
    machine = machines(**REMOTE)
    machine.ceph_dir.mkdir(parents=True)
    for name, content in one_node.files().items():
        # As an administrator would have written it.
        text = content.decode().partition('\n')[2].replace(
            str(one_node.ceph_dir), str(machine.ceph_dir))
        (machine.ceph_dir / name).write_text(text)
    (machine.ceph_dir / 'ceph.client.admin.keyring').unlink()
    (machine.ceph_dir / 'rbdmap').write_text('# of the distribution\n')
    return machine


def state(one_node) -> list[str]:
    """Of the cluster: its pools, users and images."""
    answer = [one_node.ceph('osd', 'pool', 'ls').stdout,
            one_node.ceph('auth', 'ls').stdout]
    answer += [one_node.ceph('ls', pool, program='rbd').stdout
             for pool in ('volumes', 'images', 'backups')]
    return answer


def test_nothing_of_it_is_changed(machine, one_node):
    assert one_node.rbd('cinder', 'create', '--size', '8', 'volumes/theirs')
    files, cluster = machine.files(), state(one_node)
    machine.stack()
    conf = machine.conf('etc/cinder/cinder.conf')['fast']
    assert conf['rbd_ceph_conf'] == str(machine.ceph_dir / 'ceph.conf')
    assert (conf['rbd_secret_uuid'] == one_node.conf(
        'etc/cinder/cinder.conf')['fast']['rbd_secret_uuid'])
    assert not machine.daemons()
    assert 'install_package ceph-mon' not in machine.calls()

    machine.run('unstack.sh')
    machine.run('clean.sh')
    assert machine.files() == files
    assert state(one_node) == cluster
    assert len(one_node.daemons()) == 3
    assert not list((machine.dest / 'secrets').iterdir())


def test_a_compute_node(machine):
    uuid = '6b5d1b1c-5a27-4b63-8a5a-0f8a1a2e6f10'
    machine.write_localrc(ENABLED_SERVICES='n-cpu',
                          RBD_IMGDRIVER_SECRET_UUID=uuid)
    secret = machine.dest / f'secrets/{uuid}.xml'
    secret.parent.mkdir()
    secret.write_text(f'<secret><uuid>{uuid}</uuid></secret>')
    machine.stack()
    conf = machine.conf('etc/nova/nova.conf')
    assert conf['libvirt']['rbd_secret_uuid'] == uuid
    assert secret.with_suffix('.value').exists()
    assert not any(call.startswith('pip_install')
                   for call in machine.calls())
    machine.run('unstack.sh')
    assert secret.exists(), 'it was there before us'


def test_what_is_missing_is_said_with_its_remedy(machine):
    (machine.ceph_dir / 'ceph.client.glance.keyring').unlink()
    files = machine.files()
    output = machine.run('stack.sh', check=False)
    assert 'client.glance cannot use the pool images' in output
    assert ("ceph auth get-or-create client.glance mon 'profile rbd'"
            in output)
    assert "osd 'profile rbd pool=images'" in output
    assert machine.files() == files
    assert not (machine.dest / 'etc/cinder').exists()


def test_a_foreign_cluster_is_not_overwritten(machine):
    machine.write_localrc(RBD_IMGDRIVER_REMOTE_CEPH='False')
    files = machine.files()
    output = machine.run('stack.sh', check=False)
    assert 'RBD_IMGDRIVER_REMOTE_CEPH=True' in output
    assert not machine.daemons()
    machine.run('unstack.sh')
    assert machine.files() == files


def test_glance_of_another_kind_gets_only_its_locations_shown(machine):
    machine.write_localrc(ENABLED_SERVICES='g-api',
                          USE_CINDER_FOR_GLANCE='True')
    (machine.ceph_dir / 'ceph.client.glance.keyring').unlink()
    machine.stack()
    conf = machine.conf('etc/glance/glance-api.conf')
    assert conf['DEFAULT']['show_image_direct_url'] == 'True'
    assert 'show_multiple_locations' not in conf['DEFAULT']
    assert 'enabled_backends' not in conf['DEFAULT']
    assert 'rbd' not in conf
