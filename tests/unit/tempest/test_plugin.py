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
"""Where our plug-in of Tempest skips.

Tempest need not be installed: the source is read.
"""

import ast
from collections.abc import Iterator
import pathlib

from rbd_imgdriver_tempest_plugin import config

PLUGIN = pathlib.Path(config.__file__).parent
TREES = [ast.parse(path.read_text()) for path in PLUGIN.rglob('*.py')]
SKIPS = {'skipException', 'skipTest', 'skip_because', 'SkipTest'}


def skips(node: ast.AST) -> Iterator[ast.AST]:
    for one in ast.walk(node):
        if {getattr(one, 'attr', None), getattr(one, 'id', None)} & SKIPS:
            yield one


def test_it_skips_before_it_asks_for_anything():
    """In skip_checks, before credentials and images are made."""
    allowed = {skip for tree in TREES for one in ast.walk(tree)
               if isinstance(one, ast.FunctionDef)
               and one.name == 'skip_checks' for skip in skips(one)}

    assert allowed
    assert {skip for tree in TREES for skip in skips(tree)} <= allowed


def test_what_a_class_needs_is_an_option():
    needed = {ast.literal_eval(one.value) for tree in TREES
              for one in ast.walk(tree)
              if isinstance(one, ast.Assign) and isinstance(
                  one.targets[0], ast.Name) and one.targets[0].id == 'needs'}

    assert ('direct_url',) in needed
    assert {name for names in needed for name in names} <= {
        option.name for option in config.OPTIONS}
