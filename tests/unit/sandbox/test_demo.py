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

"""What the demonstration makes of the driver's notes."""

from sandbox import demo
from sandbox import origin

IDENT = '0d4eacfa-ef92-4815-ab71-c6fe184a1e87'


def test_note_about_declined_strategies():
    note = ('rbd-clone: not-raw (the image is qcow2; only raw (bare) can '
            'be cloned); cached-clone: not-cached (there is no entry)')
    assert origin.reasons(note) == [
        ('rbd-clone', 'not-raw',
         'the image is qcow2; only raw (bare) can be cloned'),
        ('cached-clone', 'not-cached', 'there is no entry')]
    assert origin.reasons('') == []


def test_parents_are_shortened():
    assert demo.shortened(f'images/{IDENT}@snap') == 'images/0d4e...\n@snap'
    assert demo.shortened(f'volumes/image-cache-{IDENT}-e1899000@image') == (
        'volumes/image-cache-0d4e...\n@image')
    assert demo.shortened('') == ''


def test_table_with_cells_of_several_lines():
    assert demo.table([['a', 'bb'], ['1', '2\n3']]) == (
        'a  bb\n-  --\n1  2\n   3')
