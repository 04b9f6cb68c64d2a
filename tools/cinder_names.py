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
"""The names of Cinder's that the package relies on, and what became of them.

    make cinder-names                                 # compare
    .venv/bin/python -m tools.cinder_names --write    # remember

What is imported from Cinder and used of it, and the methods of Cinder's RBD
driver that are overridden or called, with their signatures, as they are in
the Cinder of this Python.  tools/cinder-names.json remembers them for the
Cinder of tools/constraints.txt.  Another Cinder is compared with it by the
Python of an environment that has it, for example .matrix/cinder-28/bin/python.
"""

import argparse
import ast
from collections.abc import Iterator
import importlib
import inspect
import json
import pathlib
import sys
from typing import Any

TOP = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = TOP / 'rbd_imgdriver'
REMEMBERED = TOP / 'tools/cinder-names.json'
BASE = 'cinder.volume.drivers.rbd.RBDDriver'
MISSING = 'missing'


def names(package: pathlib.Path) -> set[str]:
    """Dotted names of Cinder's that the package's source uses."""
    found = set()
    for path in package.rglob('*.py'):
        found |= set(_of_module(ast.parse(path.read_text())))
    return found


def _of_module(tree: ast.Module) -> Iterator[str]:
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (
                node.module or '').split('.')[0] == 'cinder':
            for alias in node.names:
                name = f'{node.module}.{alias.name}'
                modules[alias.asname or alias.name] = name
                yield name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(
                node.value, ast.Name) and node.value.id in modules:
            yield f'{modules[node.value.id]}.{node.attr}'
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from _of_driver(node)


def _of_driver(node: ast.ClassDef) -> Iterator[str]:
    """What a class shares with Cinder's driver.

    Of the driver and its mix-ins: what they define and what they ask
    ``self`` and ``super()`` for; :func:`lookup` sorts out what is our own.
    """
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef) and (
                not inner.name.startswith('__')):
            yield f'{BASE}.{inner.name}'
        elif (isinstance(inner, ast.Attribute) and _is_self(inner.value)
              and not inner.attr.startswith('__')):
            yield f'{BASE}.{inner.attr}'


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == 'self' or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        and node.func.id == 'super')


def lookup(name: str) -> str:
    """What a name is in this Cinder: a signature, a kind, or "missing"."""
    words = name.split('.')
    thing: Any = None
    for count in range(len(words), 0, -1):
        try:
            thing = importlib.import_module('.'.join(words[:count]))
        except ImportError:
            continue
        for word in words[count:]:
            if not hasattr(thing, word):
                return MISSING
            thing = getattr(thing, word)
        break
    if thing is None:
        return MISSING
    if inspect.isroutine(thing):
        parameters = inspect.signature(thing).parameters.values()
        return '(%s)' % ', '.join(
            str(one.replace(annotation=inspect.Parameter.empty,
                            default=inspect.Parameter.empty))
            + ('=' if one.default is not inspect.Parameter.empty else '')
            for one in parameters)
    return 'class' if inspect.isclass(thing) else (
        'module' if inspect.ismodule(thing) else 'value')


def current() -> dict[str, str]:
    """Everything that the package uses, as it is in this Cinder."""
    # Cinder's modules import each other; so its services begin.
    importlib.import_module('cinder.objects').register_all()
    importlib.import_module('cinder.volume.manager')
    return {name: lookup(name) for name in sorted(names(PACKAGE))}


def differences(before: dict[str, str],
                now: dict[str, str]) -> Iterator[str]:
    """What became of the names that are remembered."""
    for name, was in before.items():
        found = now.get(name, was)
        if found == MISSING:
            yield f'{name} is missing (it was {was})'
        elif found != was:
            yield f'{name} is {found} (it was {was})'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--write', action='store_true',
                        help='remember what is found')
    found = current()
    if parser.parse_args().write:
        # What this Cinder does not have is ours, or a guarded import.
        REMEMBERED.write_text(json.dumps(
            {name: what for name, what in found.items()
             if what != MISSING}, indent=1) + '\n')
        return 0
    lines = list(differences(json.loads(REMEMBERED.read_text()), found))
    print('\n'.join(lines) or 'all names are there and as they were')
    return int(bool(lines))


if __name__ == '__main__':
    sys.exit(main())
