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
"""Write what README.rst shows from what was measured and seen.

    .venv/bin/python -m tools.readme             # the table, as "make bench"
    make demo | tee /tmp/demo.txt
    .venv/bin/python -m tools.readme /tmp/demo.txt    # and the picture

With --check nothing is written, and the exit status says whether the table
is that of ``bench/results.json``.
"""

import argparse
from collections.abc import Iterator
import json
import pathlib
import re
import sys
from typing import Any
from xml.sax import saxutils

TOP = pathlib.Path(__file__).resolve().parents[1]
README = TOP / 'README.rst'
RESULTS = TOP / 'bench/results.json'
PICTURE = TOP / 'doc/source/_static/demo.svg'

# Cases of the benchmark, and what they are called here.
CASES = {
    'direct-clone': 'Volume from a raw image in Ceph, ms',
    'cached-clone': 'Volume from a cached image, ms',
    'concurrent-cached-32': 'The same, 32 at once, each second',
    'import-raw': 'First volume of a raw image, s',
    'import-qcow2': 'First volume of a qcow2 image, s',
}
HEADING = ('Medians', 'Ours', 'In-tree', 'Bare librbd')
PART = re.compile(r'(?<=\.\. speed: written by python -m tools\.readme\n\n)'
                  r'.*(?=\n\n\.\. speed ends)', re.DOTALL)

# The chapter of "make demo" that is drawn.
CHAPTER = 'What happened'
LINE, CHARACTER, MARGIN = 17, 7.3, 14
COLOURS = {'ground': '#1c2128', 'text': '#d8dee6', 'ours': '#7fd1ae'}


def table(results: list[dict[str, Any]]) -> str:
    """The table of speed, as reStructuredText."""
    by_name = {one['name']: one for one in results}
    rows = [HEADING, *(
        (title, *(_figure(by_name[name][whose])
                  for whose in ('ours', 'intree', 'limit')))
        for name, title in CASES.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = ' '.join('=' * width for width in widths)
    lines = [' '.join(cell.ljust(width) for cell, width
                      in zip(row, widths, strict=True)).rstrip()
             for row in rows]
    return '\n'.join([rule, lines[0], rule, *lines[1:], rule])


def renewed(text: str, results: list[dict[str, Any]]) -> str:
    """The README with the table of these results."""
    return PART.sub(lambda _: table(results), text)


def _figure(value: float | None) -> str:
    if value is None:
        return 'none'
    return f'{value:.0f}' if value >= 10 else f'{value:.2g}'


def chapter(output: str) -> list[str]:
    """The lines of the chapter that is drawn, without its heading.

    :raises ValueError: when there is none
    """
    lines = output.splitlines()
    if CHAPTER not in lines:
        raise ValueError(f'this is not what "make demo" prints: there is no '
                         f'chapter "{CHAPTER}"')
    begin = lines.index(CHAPTER) + 2
    end = next((number - 1 for number in range(begin, len(lines))
                if set(lines[number]) == {'='}), len(lines))
    found = [line.rstrip() for line in lines[begin:end]]
    while found and not found[-1]:
        found.pop()
    return ['$ make demo', '', *found]


def picture(lines: list[str]) -> str:
    """The lines as a terminal shows them, as SVG."""
    width = int(max(map(len, lines)) * CHARACTER) + 2 * MARGIN
    height = len(lines) * LINE + 2 * MARGIN
    return '\n'.join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} '
        f'{height}" font-family="monospace" font-size="12">',
        f'<rect width="{width}" height="{height}" rx="6" '
        f'fill="{COLOURS["ground"]}"/>', *_texts(lines), '</svg>', ''])


def _texts(lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if line:
            colour = COLOURS['ours' if line.startswith(('$', 'img'))
                             else 'text']
            yield (f'<text x="{MARGIN}" y="{MARGIN + LINE * (number + 0.8):g}"'
                   f' fill="{colour}" xml:space="preserve" textLength="'
                   f'{len(line) * CHARACTER:g}">{saxutils.escape(line)}'
                   '</text>')


def main() -> int:
    """Write, or compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('demo', nargs='?', type=pathlib.Path,
                        help='what "make demo" has printed')
    parser.add_argument('--check', action='store_true')
    args = parser.parse_args()
    present = README.read_text()
    wanted = renewed(present, json.loads(RESULTS.read_text()))
    if args.check:
        if wanted != present:
            print('README.rst: its table is not that of bench/results.json: '
                  'python -m tools.readme', file=sys.stderr)
        return int(wanted != present)
    README.write_text(wanted)
    if args.demo:
        PICTURE.write_text(picture(chapter(args.demo.read_text())))
    return 0


if __name__ == '__main__':
    sys.exit(main())
