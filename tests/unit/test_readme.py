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
"""What README.rst shows, and that it is true."""

import json
from xml.etree import ElementTree

import pytest

from tools import readme

DEMO = '''
Volumes from it
===============
Each line is one request.

What happened
=============
Seconds until <available>.
backend  strategy   seconds
img1     rbd-clone  0.3

And it boots
============
'''


def test_its_table_is_that_of_the_benchmark():
    text = readme.README.read_text()

    assert readme.PART.search(text)[0] == readme.table(
        json.loads(readme.RESULTS.read_text()))


def test_it_can_be_read_at_one_go():
    assert len(readme.README.read_text().splitlines()) <= 60


def test_figures_that_are_not_there():
    results = [{'name': name, 'ours': 1.234, 'intree': 12.3, 'limit': None}
               for name in readme.CASES]

    (row,) = [line for line in readme.table(results).splitlines()
              if line.startswith('Volume from a raw')]
    assert row.split()[-3:] == ['1.2', '12', 'none']


def test_a_chapter_of_the_demonstration_becomes_a_picture():
    lines = readme.chapter(DEMO)

    assert lines == ['$ make demo', '', 'Seconds until <available>.',
                     'backend  strategy   seconds',
                     'img1     rbd-clone  0.3']
    drawn = ElementTree.fromstring(readme.picture(lines))
    assert [one.text for one in drawn if one.tag.endswith('text')] == [
        line for line in lines if line]


def test_another_text_does_not():
    with pytest.raises(ValueError, match='make demo'):
        readme.chapter('nothing')


def test_its_picture_shows_each_strategy():
    text = readme.PICTURE.read_text()

    assert all(name in text for name in (
        'rbd-clone', 'cinder-clone', 'cached-clone', 'import'))
