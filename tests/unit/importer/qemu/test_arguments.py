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

"""The arguments of qemu-img, and what it says."""

import json

import pytest

from rbd_imgdriver.importer.qemu import arguments
from rbd_imgdriver.importer.qemu import confined

RBD = arguments.Node({'driver': 'rbd', 'pool': 'a,b=c', 'image': 'volume-1'})
LIMITS = confined.Limits('nobody', 4096, 60, 10)


def test_a_source_names_its_format_and_no_other_file():
    name = arguments.Source('qcow2', arguments.local(7)).name

    assert name.startswith('json:')
    assert json.loads(name[5:]) == {
        'driver': 'qcow2', 'read-only': True, 'backing': None,
        'file': {'driver': 'file', 'filename': '/dev/fd/7',
                 'locking': 'off'}}


@pytest.mark.parametrize(('disk_format', 'driver', 'backed'), [
    ('raw', 'raw', False), ('vhd', 'vpc', False),
    ('ploop', 'parallels', False), ('qed', 'qed', True),
    ('vmdk', 'vmdk', True)])
def test_formats(disk_format, driver, backed):
    options = json.loads(arguments.Source(disk_format, RBD).name[5:])

    assert options['driver'] == driver
    assert ('backing' in options) == backed
    assert options['file'] == dict(RBD.options)


def test_a_part_of_a_disk():
    options = json.loads(arguments.Source('qcow2', RBD, 512, 1024).name[5:])

    assert (options['driver'], options['offset'], options['size']) == (
        'raw', 512, 1024)
    assert options['file']['driver'] == 'qcow2'


def test_a_target_escapes_commas():
    assert arguments.Target('luks', RBD, {'key-secret': 'luks'}).name == (
        'driver=luks,key-secret=luks,file.driver=rbd,file.pool=a,,b=c,'
        'file.image=volume-1')


@pytest.mark.parametrize(('details', 'reason'), [
    ({'encrypted': True}, 'encrypted'),
    ({'backing-filename': '/etc/passwd'}, 'backing file'),
    ({'full-backing-filename': '/etc/passwd'}, 'backing file'),
    ({'format-specific': {'data': {'data-file': '/etc/passwd'}}},
     'data file'),
])
def test_objections(details, reason):
    found = arguments.objection(arguments.Facts(1, details))

    assert found is not None
    assert reason in found


def test_no_objection():
    details = {'format-specific': {'type': 'qcow2', 'data': {}}}
    facts = arguments.Facts(1, details)
    assert arguments.objection(facts) is None
    assert arguments.objection(arguments.Facts(1, {})) is None


def test_a_program_loses_what_it_does_not_need():
    words = confined.command(['tool', '-x'], LIMITS, root=True)

    assert words[-2:] == ['tool', '-x']
    assert words[:3] == ['setpriv', '--reuid', 'nobody']
    for word in ('--no-new-privs', '--clear-groups', '--bounding-set=-all',
                 '--as=4096', '--cpu=60', '--core=0', '-i'):
        assert word in words


def test_who_is_not_root_cannot_become_somebody_else():
    words = confined.command(['tool'], LIMITS, root=False)

    assert '--reuid' not in words
    assert '--no-new-privs' in words
