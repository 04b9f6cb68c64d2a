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
"""Telling and hearing."""

import pytest

from rbd_imgdriver import errors
from rbd_imgdriver import model
from rbd_imgdriver import provision
from rbd_imgdriver import signals


@pytest.fixture
def heard():
    found = []
    signals.listen(found.append)
    yield found
    signals.forget(found.append)


class Answers:
    """A strategy with a fixed answer."""

    def __init__(self, name, answer) -> None:
        self.name = name
        self._answer = answer

    def attempt(self, request):
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


REQUEST = model.Request(model.Image('id'), model.Target('v', 'volume-v', 1),
                        data=None, volumes=None, events=None)


def test_a_create_is_told_with_what_declined(heard):
    provision.provision(
        [Answers('rbd-clone', model.Declined('not-raw', 'It is not.')),
         Answers('import', model.Created(bytes_moved=5))], REQUEST,
        clock=iter([1.0, 3.0]).__next__)

    assert heard == [signals.VolumeMade(
        'import', (('rbd-clone', 'not-raw'),), 5, 2.0)]


def test_a_create_that_fails_is_told(heard):
    with pytest.raises(errors.NoSpace):
        provision.provision(
            [Answers('import', errors.NoSpace('id', 'full'))], REQUEST)

    assert heard == [signals.VolumeFailed('no-space')]


def test_who_fails_to_hear_fails_nobody_else(heard):
    def broken(signal):
        raise RuntimeError('deaf')

    signals.listen(broken)
    try:
        signals.send(signals.CacheEvent('hit'))
    finally:
        signals.forget(broken)

    assert heard == [signals.CacheEvent('hit')]


def test_an_import_ends_also_when_it_fails(heard):
    @signals.importing
    def work():
        raise ValueError

    with pytest.raises(ValueError):
        work()

    assert heard == [signals.Imports(+1), signals.Imports(-1)]
