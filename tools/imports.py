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

"""What the modules of a package import, read from their source."""

import ast
import dataclasses
import pathlib

# Functions that import what their first argument names.
IMPORTERS = {'__import__', 'import_module', 'import_class', 'import_object',
             'try_import'}


@dataclasses.dataclass(frozen=True)
class Import:
    """One import.

    :param name: absolute, of a module or of something in it
    :param late: whether it is inside a function
    """

    name: str
    line: int
    late: bool


class _Finder(ast.NodeVisitor):
    """Collects what a module imports, with absolute names."""

    def __init__(self, package: str) -> None:
        self._package = package.split('.')
        self._depth = 0
        self.found: list[Import] = []

    def _add(self, name: str, node: ast.AST) -> None:
        self.found.append(Import(name, node.lineno, self._depth > 0))

    def _function(self, node: ast.AST) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _function

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ''
        if node.level:
            parents = self._package[:len(self._package) - node.level + 1]
            module = '.'.join([*parents, module]).rstrip('.')
        for alias in node.names:
            self._add(f'{module}.{alias.name}', node)

    def visit_Call(self, node: ast.Call) -> None:
        called = getattr(node.func, 'attr', getattr(node.func, 'id', None))
        if called in IMPORTERS and node.args:
            argument = node.args[0]
            if (isinstance(argument, ast.Constant)
                    and isinstance(argument.value, str)):
                self._add(argument.value, node)
        self.generic_visit(node)


def components(root: pathlib.Path) -> dict[str, list[pathlib.Path]]:
    """The files of each component; that of the package itself is ''."""
    found: dict[str, list[pathlib.Path]] = {}
    for path in sorted(root.rglob('*.py')):
        first = path.relative_to(root).parts[0]
        name = first.removesuffix('.py')
        found.setdefault('' if name == '__init__' else name, []).append(path)
    return found


def imports(root: pathlib.Path, path: pathlib.Path,
            package: str) -> list[Import]:
    """What a file of the package below ``root`` imports.

    :param package: the package's name
    """
    package = '.'.join([package, *path.relative_to(root).parts[:-1]])
    finder = _Finder(package)
    finder.visit(ast.parse(path.read_text(), str(path)))
    return finder.found
