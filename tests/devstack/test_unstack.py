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
"""stack.sh again, and unstack.sh: what is kept, what goes."""

import os
import signal


def test_stack_unstack_stack(one_node):
    stack_again(one_node)
    unstack(one_node)
    stack_anew(one_node)


def stack_again(machine):
    """Without unstack.sh everything stays, and what died is started."""
    assert machine.rbd('cinder', 'create', '--size', '8', 'volumes/kept')
    before, files = machine.daemons(), machine.files()
    os.kill(before['ceph-osd'], signal.SIGKILL)
    machine.stack()
    after = machine.daemons()
    assert after.pop('ceph-osd') != before.pop('ceph-osd')
    assert after == before
    assert machine.files() == files
    assert machine.rbd('cinder', 'rm', 'volumes/kept')


def unstack(machine):
    """Everything goes, the storage after the services that use it."""
    foreign = machine.ceph_dir / 'ceph.client.other.keyring'
    foreign.write_text('[client.other]\n')
    machine.forget_calls()
    machine.run('unstack.sh')
    assert not machine.daemons()
    assert list(machine.files()) == [foreign.name]
    assert not (machine.dest / 'data/rbd-imgdriver').exists()
    assert not list((machine.dest / 'secrets').iterdir())
    for service in 'n-cpu', 'c-vol', 'c-bak', 'g-api':
        stopped = [call for call in machine.calls()
                   if call.startswith(f'stop_process {service} ')]
        assert stopped[0].endswith(' with Ceph'), 'Ceph went before it'
        assert stopped[-1].endswith(' without Ceph')
    machine.run('clean.sh')  # nothing is left to do
    assert list(machine.files()) == [foreign.name]
    foreign.unlink()


def stack_anew(machine):
    """A new cluster, which works as the first one did."""
    machine.make_environment()
    machine.stack()
    assert sorted(machine.daemons()) == ['ceph-mgr', 'ceph-mon', 'ceph-osd']
    assert machine.rbd('cinder', 'create', '--size', '8', 'volumes/new')
    assert machine.rbd('cinder', 'rm', 'volumes/new')
