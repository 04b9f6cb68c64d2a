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
"""What a release needs: one version everywhere, and the same requirements."""

import pathlib
import re

import pytest

from tools import release_check

TOP = pathlib.Path(__file__).resolve().parents[2]
SAME = dict.fromkeys((name for name, _ in release_check.VERSIONS), '1.2.3')


def test_the_version_is_the_same_everywhere():
    found = release_check.versions(TOP)

    assert all(found.values()), found
    assert len(set(found.values())) == 1, found


def test_a_clean_tagged_tree_is_a_release():
    assert not list(release_check.obstacles('', ['1.2.3'], SAME))


@pytest.mark.parametrize(('changes', 'tags', 'found', 'word'), [
    (' M setup.cfg', ['1.2.3'], SAME, 'not committed'),
    ('', [], SAME, 'not tagged 1.2.3'),
    ('', ['1.2.2'], SAME, 'its tags: 1.2.2'),
    ('', ['1.2.3'], {**SAME, 'CHANGELOG.rst': '1.2.2'},
     'CHANGELOG.rst says 1.2.2'),
])
def test_what_is_no_release_is_refused(changes, tags, found, word):
    line, = release_check.obstacles(changes, tags, found)

    assert word in line


def test_the_debian_package_needs_what_the_wheel_needs():
    control = (TOP / 'packaging/debian/control').read_text()
    packaged = {name.replace('-', '.'): version for name, version in
                re.findall(r'^ python3-([a-z.-]+) \(>= (?:\d:)?([\d.]+)\)',
                           control, re.MULTILINE)}

    for name, version in re.findall(
            r'^([a-z.]+)>=([\d.]+)',
            (TOP / 'requirements.txt').read_text(), re.MULTILINE):
        assert packaged[name] == version
