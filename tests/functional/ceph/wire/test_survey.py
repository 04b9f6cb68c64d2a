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

"""The same question to many headers: answers of any length, and none."""

import pytest
import rbd

from bench import crowd
from rbd_imgdriver.ceph.wire import survey
from rbd_imgdriver import model

KEY = model.METADATA_PREFIX + 'flatten'


@pytest.fixture
def ioctx(admin, pool):
    with admin.open_ioctx('volumes') as ioctx:
        yield ioctx


def test_more_snapshots_than_an_answer_has_room_for(ioctx):
    """Cinder's driver leaves one for each clone, without end."""
    few, many = crowd.add(ioctx, 2, snapshots=2).values()
    crowd.add_snapshots(ioctx, [many], range(2, 2100))

    found = survey.snapshots(ioctx, [few, many])
    # To remove so many snapshots one by one takes minutes.
    ioctx.remove_object(f'rbd_header.{many}')

    assert {id_: len(some) for id_, some in found.items()} == {
        few: 2, many: 2100}
    assert [one.id for one in found[many]] == list(range(1, 2101))


def test_values_of_any_length_by_id(ioctx):
    ids = list(crowd.add(ioctx, 300).values())
    wanted = {ids[0]: 'x' * 100_000, ids[150]: 'ümläut ☃', ids[299]: ''}
    for id_, value in wanted.items():
        with rbd.Image(ioctx, image_id=id_) as image:
            image.metadata_set(KEY, value)

    found = survey.values(ioctx, [*ids, 'gone'], KEY)

    assert found == wanted


def test_what_is_gone_is_left_out_wherever_it_stands(ioctx):
    ids = list(crowd.add(ioctx, 3, snapshots=1).values())
    asked = ['gone', ids[0], 'gone too', ids[1], ids[2], 'the last']

    assert list(survey.sizes(ioctx, asked).items()) == [
        (id_, crowd.GIB) for id_ in ids]
    assert list(survey.snapshot_ids(ioctx, asked)) == ids
    assert list(survey.snapshots(ioctx, asked)) == ids
    assert survey.snapshots(ioctx, []) == {}
