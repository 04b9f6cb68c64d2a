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
"""What is written for operators is what the code does."""

import ast
from collections.abc import Iterator
import io
import json
import pathlib
import re

from cliff import complete
import pytest

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cmd import manage
from rbd_imgdriver import metrics
from rbd_imgdriver import model
from rbd_imgdriver import opts

TOP = pathlib.Path(__file__).resolve().parents[2]
DOC = TOP / 'doc/source'


def metadata_keys() -> Iterator[str]:
    """The values of constants that are made of ``METADATA_PREFIX``."""
    for path in (TOP / 'rbd_imgdriver').rglob('*.py'):
        prefixes = {'METADATA_PREFIX': model.METADATA_PREFIX}
        for node in ast.parse(path.read_text()).body:
            if not (isinstance(node, ast.Assign)
                    and isinstance(node.value, ast.BinOp)
                    and isinstance(node.value.right, ast.Constant)):
                continue
            left = node.value.left
            name = getattr(left, 'attr', getattr(left, 'id', ''))
            if name in prefixes:
                value = prefixes[name] + node.value.right.value
                prefixes[node.targets[0].id] = value
                yield value


def test_the_scan_finds_what_is_known_to_be_there():
    assert {model.STRATEGY_KEY, entry._PINNED} <= set(metadata_keys())


@pytest.mark.parametrize('key', sorted(set(metadata_keys())))
def test_each_metadata_key_is_explained(key):
    text = (DOC / 'troubleshooting.rst').read_text()

    assert re.search(f'``{re.escape(key)}', text)


def test_no_key_is_explained_that_there_is_not():
    text = (DOC / 'troubleshooting.rst').read_text()
    table = text.partition('Metadata on RBD images')[2]
    known = set(metadata_keys())

    for key in re.findall(r'``(rbd-imgdriver/[^`<]*)', table):
        assert key in known


@pytest.mark.parametrize('strategy', opts.CASCADE)
def test_each_strategy_has_its_row(strategy):
    assert f'* - ``{strategy}``' in (DOC / 'strategies.rst').read_text()
    assert f'* ``{strategy}`` ' in (TOP / 'README.rst').read_text()


def test_the_dashboard_asks_for_metrics_that_there_are():
    board = json.loads((TOP / 'doc/grafana/rbd-imgdriver.json').read_text())
    known = {one.name for one in metrics.ALL}
    asked = {name for panel in board['panels'] for target in panel['targets']
             for name in re.findall(r'rbd_imgdriver_\w+', target['expr'])}

    assert {re.sub('_(bucket|count|sum)$', '', name)
            for name in asked} == known


def test_the_completion_is_that_of_the_parser():
    app = manage.Manage()
    app.stdout = io.StringIO()
    command = complete.CompleteCommand(app, None)
    assert command.run(command.get_parser('complete').parse_args([])) == 0
    kept = TOP / 'etc/bash_completion.d/rbd-imgdriver-manage'
    assert kept.read_text() == app.stdout.getvalue(), (
        'rbd-imgdriver-manage complete > ' + str(kept))


@pytest.mark.parametrize('page', sorted(DOC.rglob('*.rst')),
                         ids=lambda page: page.name)
def test_commands_in_the_documentation_parse(page):
    for line in re.findall(r'^ +rbd-imgdriver-manage (.*)$',
                           page.read_text(), re.MULTILINE):
        if 'NOUN' in line:
            continue
        app = manage.Manage()
        app.options, words = app.parser.parse_known_args(
            re.sub(r'<[^>]+>', 'x', line).split())
        found, name, arguments = app.command_manager.find_command(words)
        found(app, app.options).get_parser(name).parse_args(arguments)


@pytest.mark.parametrize('name', manage.COMMANDS)
def test_each_verb_says_what_it_does(name):
    verb = manage.Commands().commands[name].load()
    first, _, rest = verb.__doc__.partition('\n')
    assert first.endswith('.')
    assert not rest or rest.startswith('\n')
