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

"""Draw doc/source/_static/architecture.svg from the code.

Each box is a file or folder of the package with the first line of its
docstring, in the lowest row that is above all it imports.  With --check
nothing is written, and the exit status says whether the picture is still
true.
"""

import argparse
import ast
import pathlib
import sys
from xml.sax import saxutils

from tools import imports

TOP = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = TOP / 'rbd_imgdriver'
PICTURE = TOP / 'doc/source/_static/architecture.svg'

WIDTH = 1000
MARGIN = 12
GAP = 14
LINE = 15
# Characters of the font that fit into one unit of width, roughly.
CHARACTERS = 1 / 6.2


def dependencies() -> dict[str, set[str]]:
    """The components of the package, and which others each imports."""
    found = imports.components(PACKAGE)
    found.pop('', None)
    edges: dict[str, set[str]] = {name: set() for name in found}
    for name, paths in found.items():
        for path in paths:
            for entry in imports.imports(PACKAGE, path, PACKAGE.name):
                parts = entry.name.split('.')
                if parts[0] == PACKAGE.name and parts[1] in edges:
                    edges[name].add(parts[1])
        edges[name].discard(name)
    return edges


def rows(edges: dict[str, set[str]]) -> list[list[str]]:
    """The components from top to bottom; none imports from its own row.

    :raises ValueError: when imports form a circle
    """
    height: dict[str, int] = {}
    while len(height) < len(edges):
        ready = [name for name, needed in edges.items()
                 if name not in height and needed <= height.keys()]
        if not ready:
            circle = ', '.join(sorted(edges.keys() - height.keys()))
            raise ValueError(f'imports form a circle: {circle}')
        for name in ready:
            height[name] = 1 + max(
                (height[one] for one in edges[name]), default=-1)
    found: list[list[str]] = [[] for _ in range(max(height.values()) + 1)]
    for name, level in sorted(height.items()):
        found[-1 - level].append(name)
    return found


def summary(name: str) -> tuple[str, str]:
    """What a component is called, and what it is for."""
    folder = PACKAGE / name
    if folder.is_dir():
        rooms = sorted(one.name + '/' for one in folder.iterdir()
                       if (one / '__init__.py').exists())
        title = f'{name}/' + (f'  ({" ".join(rooms)})' if rooms else '')
        source = folder / '__init__.py'
    else:
        title, source = f'{name}.py', folder.with_suffix('.py')
    doc = ast.get_docstring(ast.parse(source.read_text())) or ''
    return title, doc.partition('\n')[0].replace('`', '')


def wrapped(text: str, width: float) -> list[str]:
    """The text in lines of at most ``width`` units."""
    lines = ['']
    for word in text.split():
        longer = f'{lines[-1]} {word}'.strip()
        if lines[-1] and len(longer) > width * CHARACTERS:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def box(lines: list[str], left: float, top: int, width: float,
        height: int) -> list[str]:
    """One component; the first line is its name."""
    middle = left + width / 2
    drawn = [f'<rect x="{left:.0f}" y="{top}" width="{width:.0f}" '
             f'height="{height}" rx="6" fill="#edf2f8" stroke="#456"/>']
    for number, line in enumerate(lines):
        style = '' if number else ' font-weight="bold"'
        drawn.append(
            f'<text x="{middle:.0f}" y="{top + LINE * (number + 1) + 2}" '
            f'text-anchor="middle"{style}>{saxutils.escape(line)}</text>')
    return drawn


def row(names: list[str], top: int) -> tuple[list[str], int]:
    """Components side by side, and where the next row begins."""
    width = (WIDTH - MARGIN) / len(names) - MARGIN
    texts = []
    for name in names:
        title, text = summary(name)
        texts.append([title, *wrapped(text, width - MARGIN)])
    height = LINE * max(map(len, texts)) + MARGIN
    drawn = []
    for place, lines in enumerate(texts):
        left = MARGIN + place * (width + MARGIN)
        drawn += box(lines, left, top, width, height)
    return drawn, top + height + GAP


def picture() -> str:
    """The whole picture as SVG."""
    boxes: list[str] = []
    top = MARGIN
    for names in rows(dependencies()):
        drawn, top = row(names, top)
        boxes += drawn
    return '\n'.join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} '
        f'{top}" role="img" font-family="sans-serif" font-size="12">',
        '<title>Layers; imports run downward only</title>',
        f'<rect width="{WIDTH}" height="{top}" fill="#fff"/>',
        *boxes, '</svg>', ''])


def main() -> int:
    """Draw the picture, or check it."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--check', action='store_true',
                        help='write nothing; fail if the picture is stale')
    if parser.parse_args().check:
        if PICTURE.read_text() == picture():
            return 0
        print(f'{PICTURE.relative_to(TOP)} is stale: run '
              '"python -m tools.draw_architecture"')
        return 1
    PICTURE.write_text(picture())
    return 0


if __name__ == '__main__':
    sys.exit(main())
