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

"""What an error of Ceph means to a create."""

import pathlib

import pytest

from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver import errors
from rbd_imgdriver.strategies import base


def test_an_image_of_the_volumes_name_ends_the_create(create):
    with pytest.raises(errors.VolumeExists):
        base.declined_by(create(), ceph_errors.ImageExists('taken'))


def test_a_snapshot_that_is_there_is_not_the_volume(create):
    answer = base.declined_by(create(), ceph_errors.SnapshotExists('there'))
    assert answer.code == 'snapshot-exists'


def test_each_strategy_has_tests_on_a_pool_in_memory():
    here = pathlib.Path(__file__).parent
    strategies = {path.stem for path in pathlib.Path(
        base.__file__).parent.glob('*.py')
        if '    def attempt(' in path.read_text()} - {'base'}

    assert strategies >= {'rbd_clone', 'import_image', 'encrypted_clone'}
    assert [name for name in sorted(strategies)
            if not (here / f'test_{name}.py').exists()] == []
