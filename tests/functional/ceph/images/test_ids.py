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
"""Two images of a pool never share an id, and nobody notices the collision."""

import pytest
import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver.ceph.images import lifecycle
from rbd_imgdriver.ceph.wire import encoding
from rbd_imgdriver.ceph.wire import header


@pytest.fixture
def enter(ioctx):
    """Enters a name and an id into the directory, as librbd's creation."""
    def enter(name, id_):
        query = encoding.text(name) + encoding.text(id_)
        with errors.translated(f'creation of {name}'):
            ioctx.execute('rbd_directory', 'rbd', 'dir_add_image', query)
    return enter


@pytest.fixture
def taken(ioctx):
    rbd.RBD().create(ioctx, 'first', 2**22, 22, old_format=False, features=61)
    return header.image_id(ioctx, 'first')


def test_ceph_refuses_the_id_of_another_image(enter, taken):
    with pytest.raises(errors.IdTaken, match='creation of second'):
        enter('second', taken)


def test_a_collision_is_answered_with_another_id(ioctx, enter, taken):
    drawn = iter([taken, 'free'])
    lifecycle.with_free_id(lambda: enter('second', next(drawn)))
    assert sorted(rbd.RBD().list(ioctx)) == ['first', 'second']


def test_collisions_in_a_row_are_no_chance(ioctx, enter, taken):
    with pytest.raises(errors.IdTaken):
        lifecycle.with_free_id(lambda: enter('second', taken))
    assert rbd.RBD().list(ioctx) == ['first']
