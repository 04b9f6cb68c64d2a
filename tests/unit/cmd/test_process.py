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
"""What is kept from Python's collector, and how old a process is."""

import gc
import subprocess
import sys
import time

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


def test_a_process_is_as_old_as_since_it_was_started():
    before = time.monotonic()
    with subprocess.Popen(
            [sys.executable, '-c', 'from rbd_imgdriver.cmd import process\n'
             'print(flush=True); input(); print(process.age())'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        started = time.monotonic()
        child.stdout.readline()
        up = time.monotonic()
        age = float(child.communicate('\n')[0])

    # proc(5) counts in hundredths of a second.
    assert up - started - 0.02 < age < time.monotonic() - before + 0.02
