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
"""What is kept from Python's collector, and that the collector comes back."""

import gc

import pytest

from rbd_imgdriver.cmd import process


@pytest.fixture(autouse=True)
def collector():
    yield
    gc.unfreeze()
    gc.enable()


@pytest.mark.parametrize('on', [True, False])
def test_the_collector_is_as_before(on):
    (gc.enable if on else gc.disable)()

    with pytest.raises(ImportError), process.kept():
        assert not gc.isenabled()
        raise ImportError

    assert gc.isenabled() == on


def test_what_is_made_is_not_looked_through_again():
    with process.kept():
        made = []

    assert gc.get_freeze_count() > 0
    assert not any(one is made for one in gc.get_objects())
