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
"""Whether a converter could run, as doctor sees it."""

from rbd_imgdriver.cmd.checks import hosts

MEMORY = 2**32


def codes(user: str, memory: int = MEMORY) -> list[str]:
    return [one.code for one in hosts.converter(user, memory)]


def test_a_user_of_its_own():
    assert codes('daemon') == ['converter']


def test_nobody():
    assert codes('nobody') == ['converter-user-shared', 'converter']


def test_a_user_that_there_is_not():
    assert codes('no-such-user') == ['converter-user-missing']


def test_a_converter_that_cannot_start():
    found = list(hosts.converter('daemon', 2**20))

    assert [one.code for one in found] == ['converter-unconfined']
    assert found[0].detail


def test_tools_that_are_missing(monkeypatch):
    monkeypatch.setenv('PATH', '/nowhere')

    found = list(hosts.converter('daemon', MEMORY))

    assert [one.code for one in found] == ['converter-unconfined']
    assert 'bwrap' in found[0].detail
