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
"""What the package relies on in Cinder is found, and what became of it."""

from tools import cinder_names

BASE = cinder_names.BASE


def test_the_package_relies_on_what_is_known():
    found = cinder_names.names(cinder_names.PACKAGE)

    assert {'cinder.exception.ImageTooBig', f'{BASE}.clone_image',
            f'{BASE}._enable_replication'} <= found


def test_what_became_of_names():
    before = {'a': '(self, x)', 'b': 'class', 'c': 'value', 'd': 'module'}
    now = {'a': '(self, x, y)', 'b': cinder_names.MISSING, 'c': 'value'}

    assert list(cinder_names.differences(before, now)) == [
        'a is (self, x, y) (it was (self, x))', 'b is missing (it was class)']


def test_a_name_that_is_not_there():
    assert cinder_names.lookup('json.dumps').startswith('(obj, skipkeys=')
    assert cinder_names.lookup('json.nothing') == cinder_names.MISSING
    assert cinder_names.lookup('nothing_at_all.x') == cinder_names.MISSING
