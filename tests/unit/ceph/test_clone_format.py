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
"""Which format new clones get."""

import pytest

from rbd_imgdriver.ceph import clone_format


@pytest.mark.parametrize(('required', 'needed', 'expected'), [
    ('mimic', 'jewel', 2),
    ('tentacle', 'luminous', 2),
    ('luminous', 'luminous', 1),
    ('jewel', 'jewel', 1),
    ('unknown', 'luminous', 1),
    ('unknown', 'reef', 2),
])
def test_of_osd_map(required, needed, expected):
    assert clone_format.of_osd_map({
        'require_min_compat_client': required,
        'min_compat_client': needed}) == expected


def test_a_map_that_says_nothing():
    assert clone_format.of_osd_map({}) == 1
