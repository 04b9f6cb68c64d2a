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
"""Tables and references that the documentation takes from the code.

``verbs``, ``exit-codes``, ``cache-states``, ``check-codes``,
``declined-codes``, ``failure-codes``, ``doctor-findings`` and ``metrics``:
what they print cannot differ from what the code does.  ``matrix-results``
prints what ``make matrix`` has last found.
"""

from collections.abc import Iterable
from collections.abc import Iterator
import fnmatch
import json
import pathlib
import subprocess

from cliff import command
from cliff import sphinxext
from docutils import nodes
from sphinx import application
from sphinx.util import docutils

from rbd_imgdriver.cache import check
from rbd_imgdriver.cmd import advice
from rbd_imgdriver.cmd import cache_view
from rbd_imgdriver.cmd.checks import findings
from rbd_imgdriver.cmd import exits
from rbd_imgdriver.cmd import manage
from rbd_imgdriver import metrics


class FromCode(docutils.SphinxDirective):
    """Prints the lines that ``make`` gives as reStructuredText."""

    has_content = False
    make = staticmethod(lambda: iter(()))

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes('\n'.join(self.make()),
                                        allow_section_headings=True)


def table(titles: Iterable[str], rows: Iterable[Iterable[str]],
          widths: str) -> Iterator[str]:
    """A list-table."""
    yield from ('.. list-table::', '   :header-rows: 1',
                f'   :widths: {widths}', '')
    for row in [titles, *rows]:
        for number, cell in enumerate(row):
            mark = '* -' if number == 0 else '  -'
            yield f'   {mark} {_escaped(cell)}'
    yield ''


def _escaped(text: str) -> str:
    # A dash at the beginning would make a list of the cell.
    dash = '\\' if text.startswith('-') else ''
    return text if text.startswith('``') else dash + (
        text.replace('\\', '\\\\').replace('*', '\\*').replace('<', '\\<')
        .replace('|', '\\|').replace('_', '\\_'))


class Verbs(sphinxext.AutoprogramCliffDirective):
    """cliff's own ``autoprogram-cliff``, of commands that are not plug-ins.

    Its argument is the application; ``command`` a pattern of commands.
    """

    def _load_app(self) -> None:
        """Its commands are meant, not its options."""

    def _load_commands(self) -> dict[str, type[command.Command]]:
        return {name: late.load() for name, late in manage.Commands()
                if fnmatch.fnmatch(name, self.options['command'])}


def exit_codes() -> Iterator[str]:
    return table(('Code', 'Meaning'),
                 ((str(int(one)), one.help) for one in exits.Exit), '10 90')


def cache_states() -> Iterator[str]:
    return table(('State', 'Meaning'), (
        (f'``{state}``', text)
        for state, text in cache_view.STATES.items()), '20 80')


def check_codes() -> Iterator[str]:
    return table(('Finding', 'Meaning', 'Damage'), (
        (f'``{code}``', text, 'yes' if code in check.DAMAGE else 'no')
        for code, text in check.CODES.items()), '20 70 10')


def _advice(known: dict[str, advice.Advice]) -> Iterator[str]:
    return table(('Code', 'Meaning', 'What to do'), (
        (f'``{code}``', one.meaning, one.remedy)
        for code, one in sorted(known.items())), '20 40 40')


def doctor_findings() -> Iterator[str]:
    return table(('Finding', 'Severity', 'Meaning', 'What to do'), (
        (f'``{code}``', kind.severity.name.lower(), kind.meaning,
         kind.remedy or 'Nothing.')
        for code, kind in findings.KINDS.items()), '18 10 36 36')


def metric_table() -> Iterator[str]:
    return table(('Metric', 'Type', 'Labels', 'Meaning'), (
        (f'``{one.name}``', one.kind, ', '.join(one.labels) or 'none',
         one.help) for one in metrics.ALL), '34 12 20 34')


def matrix_results() -> Iterator[str]:
    """What "make matrix" found; old marks what is older than a release."""
    path = pathlib.Path(__file__).parents[1] / '_static/matrix.json'
    known = json.loads(path.read_text())
    if not known:
        return iter(['No result is kept yet.'])
    released = _last_release()
    return table(
        ('Cinder', 'Ceph', 'Python', 'Suite', 'Passed, failed, skipped',
         'Date', 'Commit'),
        ((one['cinder'], one['ceph'], one['python'], suite,
          f'{counts["passed"]}, {counts["failed"]}, {counts["skipped"]}',
          counts['date'] + (' (before the last release)'
                            if counts['date'] < released else ''),
          counts['commit'] or 'not recorded')
         for one in known.values() for suite, counts in one['suites'].items()),
        '8 14 10 20 18 16 14')


def _last_release() -> str:
    """The date of the newest tag; '' without tags or git."""
    try:
        asked = subprocess.run(
            ['git', 'for-each-ref', '--sort=-creatordate', '--count=1',
             '--format=%(creatordate:short)', 'refs/tags'],
            cwd=pathlib.Path(__file__).parent, capture_output=True, text=True)
    except OSError:
        return ''
    return asked.stdout.strip()


def setup(app: application.Sphinx) -> dict[str, bool]:
    """Sphinx's entry."""
    for name, function in {
            'exit-codes': exit_codes,
            'cache-states': cache_states,
            'check-codes': check_codes,
            'declined-codes': lambda: _advice(advice.DECLINED),
            'failure-codes': lambda: _advice(advice.FAILED),
            'doctor-findings': doctor_findings,
            'metrics': metric_table,
            'matrix-results': matrix_results}.items():
        app.add_directive(name, type(name, (FromCode,),
                                     {'make': staticmethod(function)}))
    app.add_directive('verbs', Verbs)
    return {'parallel_read_safe': True}
