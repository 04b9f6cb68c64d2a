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

"""What lint refuses of the old turns of phrase."""

import pytest

from tools import check_english


def test_a_phrase_is_found_with_its_line_and_what_to_write():
    text = 'Fine.\nThis belongs ' 'into a native thread.\n'

    assert check_english.faults(text) == [
        (2, 'belongs ' 'into', 'must be called in')]


@pytest.mark.parametrize('text', [
    'It is to' 'ld.', 'It tells ' 'of it.', 'made an' 'ew',
    'Belongs ' 'into a thread', 'The be' 'gin of it', 'for wh' 'o runs it',
    'it is no ' 'clone', 'when it is ' 'none', 'all h' 'e can do', 'as sh' 'e',
    'it has not ' 'the snapshot', 'it hands ' 'them over'])
def test_old_phrases_are_found(text):
    assert len(check_english.faults(text)) == 1


def test_good_sentences_pass():
    assert not check_english.faults(
        'It must be called in a native thread.  A caller that waits polls.  '
        'Who gets what is a table.  There is no clone; it is no longer '
        'needed.  A hand-over.  It cannot tell; for who in names: it beg'
        'ins.  When there is none, nothing is done.')


def test_files_are_read(tmp_path, capsys):
    (tmp_path / 'bad.rst').write_text('It sh' 'all work.')

    assert check_english.main([str(tmp_path / 'bad.rst')]) == 1
    assert 'bad.rst:1' in capsys.readouterr().out
