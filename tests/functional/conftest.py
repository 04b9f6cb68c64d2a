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

"""A real Ceph for the functional tests: made for the run, gone after it."""

from collections.abc import Iterator

import pytest

from sandbox import ceph

POOLS = ('images', 'volumes', 'volumes2')

# The capabilities that doc/source/install.rst asks for, and no more.
CAPS = {
    'mon': 'profile rbd',
    'osd': 'profile rbd pool=volumes, profile rbd pool=volumes2, '
           'profile rbd-read-only pool=images',
    'mgr': 'profile rbd pool=volumes, profile rbd pool=volumes2',
}


@pytest.fixture(scope='session')
def cluster(tmp_path_factory: pytest.TempPathFactory,
            ) -> Iterator[ceph.Cluster]:
    """A cluster with the pools of a cloud and a user ``cinder``."""
    cluster = ceph.Cluster(tmp_path_factory.mktemp('ceph'), pools=POOLS)
    try:
        cluster.start()
        cluster.create_user('cinder', CAPS)
        yield cluster
    finally:
        cluster.purge()
