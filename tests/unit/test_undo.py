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
"""Undoing what failed keeps the error that made it necessary."""

import pytest

from rbd_imgdriver import undo


class Abandoned(BaseException):
    """No ``Exception``: a green thread that is killed, for example."""


def test_nothing_is_undone_when_nothing_fails():
    done = []
    with undo.on_error('it', lambda: done.append(1)):
        pass
    assert not done


@pytest.mark.parametrize('error', [ValueError, Abandoned])
def test_what_failed_is_undone(error):
    done = []
    with pytest.raises(error), undo.on_error('it', lambda: done.append(1)):
        raise error
    assert done == [1]


def test_an_undo_that_fails_does_not_hide_the_first_error():
    def refuse():
        raise KeyError('no')

    with pytest.raises(ValueError, match='first') as caught, \
            undo.on_error('image a', refuse), undo.on_error('b', refuse):
        raise ValueError('the first')

    assert caught.value.__notes__ == ["left behind: b ('no')",
                                      "left behind: image a ('no')"]
