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
"""Sizes as Cinder counts them."""

import pytest

from rbd_imgdriver import model


@pytest.mark.parametrize(('size', 'gib'), [
    (0, 0), (1, 1), (model.GIB, 1), (model.GIB + 1, 2),
    # More than a float holds exactly.
    (2 ** 60 * model.GIB + 1, 2 ** 60 + 1)])
def test_a_part_of_a_gib_takes_a_whole_one(size, gib):
    assert model.gib_for(size) == gib
    assert model.whole_gib(size) == gib * model.GIB
