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
"""The cascade, with strategies that only say what they are made to say."""

import dataclasses

import pytest

from rbd_imgdriver import errors
from rbd_imgdriver import model
from rbd_imgdriver import provision

IMAGE = model.Image(id='image', disk_format='raw', container_format='bare')
TARGET = model.Target('id', 'volume-id', model.GIB)
NO = model.Declined('no', 'it would not')


@dataclasses.dataclass
class Says:
    """A strategy with one answer; remembers what it was asked."""

    name: str
    answer: object
    asked: list = dataclasses.field(default_factory=list)

    def attempt(self, request):
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def request():
    return model.Request(IMAGE, TARGET, data=None, volumes=None, events=None)


def test_the_first_that_can_makes_the_volume():
    first = Says('first', NO)
    second = Says('second', model.Created(parent='p/i@s', bytes_moved=7))
    third = Says('third', model.Created())
    seconds = iter([10.0, 12.5])

    outcome = provision.provision([first, second, third], request(),
                                  clock=lambda: next(seconds))

    assert outcome == provision.Outcome(
        'second', (('first', NO),), bytes_moved=7, seconds=2.5,
        parent='p/i@s')
    assert third.asked == []


def test_each_knows_who_declined_before():
    first, second = Says('first', NO), Says('second', NO)
    third = Says('third', model.Created())
    provision.provision([first, second, third], request())
    assert third.asked[0].declined == (('first', NO), ('second', NO))
    assert third.asked[0].record('third', 5) == {
        'rbd-imgdriver/strategy': 'third',
        'rbd-imgdriver/declined':
            'first: no (it would not); second: no (it would not)',
        'rbd-imgdriver/bytes_moved': '5'}


def test_what_none_could_do_ends_it():
    error = errors.ImageTooLarge('image', 'it is')
    last = Says('last', model.Created())
    with pytest.raises(errors.ImageTooLarge):
        provision.provision([Says('first', error), last], request())
    assert last.asked == []


def test_all_declined():
    with pytest.raises(provision.NoStrategy, match='first: no'):
        provision.provision([Says('first', NO)], request())
    with pytest.raises(provision.NoStrategy, match='no strategy'):
        provision.provision([], request())


def test_a_strategy_may_say_that_another_served():
    created = model.Created(strategy='cached-clone')
    outcome = provision.provision([Says('import', created)], request())
    assert outcome.strategy == 'cached-clone'


def test_the_record_is_never_empty():
    assert '' not in request().record('first').values()
