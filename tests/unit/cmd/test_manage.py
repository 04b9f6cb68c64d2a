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

"""The command line: formats, columns, exit codes, and what a tenant wrote."""

import csv
import io
import json
import logging

from cliff import help
import pytest
import yaml

from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.cmd import commands
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import manage
from rbd_imgdriver.cmd import output
from rbd_imgdriver import errors

HOSTILE = '\x1b[2J\x1b]0;pwned\x07\n0000  FORGED-ROW  ready\r\u202egnp\x9b1m'
NAMED = {'image_id': 'a', 'image_name': HOSTILE, 'size': 2**31, 'extra': None}
BARE = {'image_id': 'b', 'size': 2**20}


class Listing(commands.Listing):
    """List things."""

    columns = (output.Column('image_id'), output.Column('image_name'),
               output.Column('size', output.size))

    def add_arguments(self, parser):
        parser.add_argument('--all', action='store_true')
        parser.add_argument('word', nargs='?')

    def records(self, args):
        self.exit_code = exits.Exit.WARNING
        self.say(f'\nremedy: {HOSTILE}')
        return [NAMED, BARE]


class Showing(commands.Showing):
    """Show a thing."""

    columns = Listing.columns

    def record(self, args):
        self.also(Listing.columns, [NAMED])
        return {**NAMED, 'parents': [{'name': 'c'}]}


class Failing(commands.Listing):
    """Fail."""

    error = Exception('unset')

    def records(self, args):
        raise self.error


@pytest.fixture
def levels():
    """What a command sets for its process, which here is that of all tests."""
    loggers = [logging.getLogger(name)
               for name in (None, 'rbd_imgdriver', manage.PROGRAM)]
    before = [one.level for one in loggers]
    yield
    for one, level in zip(loggers, before, strict=True):
        one.setLevel(level)


@pytest.fixture
def run(levels):
    """Runs a command line; returns its exit code, stdout and stderr."""
    def call(*words):
        app = manage.Manage()
        for name, verb in (('thing list', Listing), ('thing show', Showing),
                           ('thing fail', Failing)):
            app.command_manager.add_command(name, verb)
        app.stdout, app.stderr = io.StringIO(), io.StringIO()
        try:
            code = app.run(list(words))
        except help.HelpExit:
            code = 0
        return code, app.stdout.getvalue(), app.stderr.getvalue()

    return call


def harmless(text):
    return text.replace('\n', '').isprintable()


def test_a_table_has_a_line_for_each_record(run):
    code, text, _ = run('thing', 'list')
    lines = text.splitlines()
    assert code == exits.Exit.WARNING
    assert [cell.strip() for cell in lines[1].split('|')][1:-1] == [
        'Image ID', 'Image Name', 'Size']
    assert '2 GiB' in lines[3]
    assert [cell.strip() for cell in lines[4].split('|')][1:-1] == [
        'b', '-', '1 MiB']
    assert any(line.startswith('remedy: ') for line in lines)
    assert harmless(text)


def test_a_table_of_one_record_and_another_below(run):
    code, text, _ = run('thing', 'show')
    assert code == 0
    assert text.count('2 GiB') == 2
    assert 'Parents' not in text
    assert harmless(text)


def test_json_has_all_values_as_they_are(run):
    _, text, _ = run('thing', 'list', '-f', 'json')
    first, second = json.loads(text)
    assert first == NAMED
    assert second == {**BARE, 'image_name': None, 'extra': None}
    assert harmless(text)
    _, text, _ = run('thing', 'show', '-f', 'json')
    assert json.loads(text)['parents'] == [{'name': 'c'}]


def test_yaml_has_all_values_as_they_are(run):
    _, text, _ = run('thing', 'list', '-f', 'yaml')
    assert yaml.safe_load(text)[0] == NAMED
    assert harmless(text)


@pytest.mark.parametrize('format_', ['csv', 'value'])
def test_other_formats_escape(run, format_):
    _, text, _ = run('thing', 'list', '-f', format_)
    assert '2147483648' in text
    assert len(text.splitlines()) == (3 if format_ == 'csv' else 2)
    assert harmless(text)


def test_shell_escapes(run):
    _, text, _ = run('thing', 'show', '-f', 'shell')
    assert 'size="2147483648"' in text
    assert harmless(text)


@pytest.mark.parametrize('format_', ['table', 'csv'])
@pytest.mark.parametrize('name', ['image_id', 'Image ID'])
def test_a_column_has_one_name_in_all_formats(run, format_, name):
    _, text, _ = run('thing', 'list', '-f', format_, '-c', name)
    assert 'GiB' not in text
    if format_ == 'csv':
        assert list(csv.reader(text.splitlines())) == [
            ['image_id'], ['a'], ['b']]


def test_sizes_are_sorted_as_sizes(run):
    _, text, _ = run('thing', 'list', '--sort-column', 'size', '-c', 'size')
    assert text.index('1 MiB') < text.index('2 GiB')


@pytest.mark.parametrize('words', [
    ('--backend', 'one', 'thing', 'list', '--all', 'x'),
    ('thing', 'list', '--backend', 'one', '--all', 'x'),
    ('thing', 'list', 'x', '--all', '--backend=one'),
])
def test_options_stand_before_and_after_the_noun(run, words):
    assert run(*words)[0] == exits.Exit.WARNING


@pytest.mark.parametrize('words', [
    (), ('--backend', 'one'), ('thing', 'list', '--none'),
    ('thing', 'list', '-f', 'xml'), ('thing', 'list', '--back', 'one')])
def test_a_command_line_that_is_not_right(run, words, capsys):
    with pytest.raises(SystemExit) as ended:
        run(*words)
    assert ended.value.code == exits.Exit.USAGE
    assert 'usage: ' in capsys.readouterr().err


def test_a_command_that_there_is_not(run):
    code, text, _ = run('thing', 'lits')
    assert code == exits.Exit.USAGE
    assert 'thing list' in text


@pytest.mark.parametrize(('error', 'code'), [
    (exits.CommandError(exits.Exit.CONFIG, HOSTILE), exits.Exit.CONFIG),
    (errors.NotFound(HOSTILE), exits.Exit.NOT_FOUND),
    (errors.ServiceError(HOSTILE), exits.Exit.FAILED),
    (ceph_errors.TimedOut(HOSTILE), exits.Exit.FAILED),
    (KeyboardInterrupt(), exits.Exit.FAILED)])
def test_errors_have_exit_codes(run, error, code):
    error.add_note('and this was left')
    Failing.error = error
    found, text, said = run('thing', 'fail')
    assert found == code
    assert text == ''
    assert said.startswith('rbd-imgdriver-manage: ')
    assert harmless(said)


@pytest.mark.parametrize('words', [('--help',), ('thing', 'list', '--help'),
                                   ('help', 'thing', 'list')])
def test_help(run, words):
    code, text, _ = run(*words)
    assert code == 0
    assert 'thing list' in text
