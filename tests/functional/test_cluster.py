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

"""What the other tests take for granted about their cluster."""

import pytest
import rados
import rbd


@pytest.fixture
def cinder(cluster):
    with rados.Rados(conffile=cluster.conf('cinder'),
                     rados_id='cinder') as client:
        yield client


def test_the_user_writes_to_pools_of_volumes(cinder):
    with cinder.open_ioctx('volumes') as ioctx:
        rbd.RBD().create(ioctx, 'probe', 4 * 2**20)
        assert 'probe' in rbd.RBD().list(ioctx)
        rbd.RBD().remove(ioctx, 'probe')


def test_the_user_only_reads_the_pool_of_images(cinder):
    with cinder.open_ioctx('images') as ioctx:
        assert rbd.RBD().list(ioctx) == []
        with pytest.raises(rbd.PermissionError):
            rbd.RBD().create(ioctx, 'probe', 4 * 2**20)
