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
"""What becomes of the errors of Ceph's bindings."""

import pytest
import rbd

from rbd_imgdriver.ceph import errors
from rbd_imgdriver import undo


def test_what_was_left_behind_is_still_said():
    def refuse():
        raise rbd.ImageBusy('in use')

    with pytest.raises(errors.TimedOut, match='flatten of a') as caught, \
            errors.translated('flatten of a'), \
            undo.on_error('switched off object map of a', refuse):
        raise rbd.Timeout('no answer')

    assert 'left behind: switched off object map' in undo.explained(
        caught.value)
