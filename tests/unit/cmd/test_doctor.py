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
"""How long ``doctor`` takes."""

import pytest

from rbd_imgdriver.cmd import doctor


@pytest.mark.parametrize(('timeout', 'age', 'left'), [
    (22, 0, 22), (22, 2.5, 19.5), (22, 12, 10),
    # On a host that took as long to load Cinder's modules.
    (22, 60, 10),
    (1, 2.5, 1),
])
def test_the_start_of_the_command_counts(timeout, age, left):
    assert doctor.time_left(timeout, age) == left
