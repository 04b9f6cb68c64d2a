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
"""Run the commands that the documentation prints.

    make docs-run                  # needs a sandbox: make sandbox-up
    .venv/bin/python -m tools.docs_run --list

Before each block of commands a comment says what is done with it; without
one, a unit test fails:

``.. run: checkout``
    It is run in this checkout.
``.. run: sandbox``
    It is run with the sandbox's environment.  A word in angle brackets is
    replaced: by a volume's id if it ends with "id" or "volume", else by an
    image's.  Both are made for the run and removed after it.
``.. not run: <why>``
    It is not run.
"""

import argparse
from collections.abc import Iterator
import dataclasses
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap

from sandbox import polling

TOP = pathlib.Path(__file__).resolve().parents[1]
MARK = re.compile(r'^ *\.\. (run|not run): *(\S.*)$')
# What begins a block: a language that is a shell's, or none.
OPENS = re.compile(r'^( *)(?:\.\. code-block:: (\w+)|.*::)$')
COMMANDS = re.compile(
    r'(make|ceph|rbd|openstack|rbd-imgdriver-manage|apt-get|docker|for|eval'
    r'|kolla-ansible|openstack-ansible|systemctl|git|cinder|oc|(\S+/)?pip'
    r'|\S+/rbd-imgdriver-manage)\s')
# The doctor warns of what a sandbox is; that is not a failure.  On a machine
# that is busy with the sandbox it needs more time than a user waits.
DOCTOR = re.compile(r'^(rbd-imgdriver-manage doctor)$', re.MULTILINE)
SECONDS = 600
# What an operator's host has: the commands, and cinder.conf where Cinder's own
# commands find it.
SANDBOX = (
    'eval "$(make -s sandbox-env)"',
    'export PATH="$SANDBOX_VENV/bin:$PATH" HOME="$(mktemp -d)"',
    'trap \'rm -rf "$HOME"\' EXIT',
    'mkdir "$HOME/.cinder"',
    # One backend, as the pages have it: else many need --backend.
    'sed "s/^enabled_backends = .*/enabled_backends = img1/" "$CINDER_CONF"'
    ' > "$HOME/.cinder/cinder.conf"',
)


@dataclasses.dataclass(frozen=True)
class Block:
    """Commands on a page.

    :param where: ``checkout``, ``sandbox``, or '' if it is not run
    :param why: the reason why not; None if there is no mark at all
    """

    page: str
    line: int
    text: str
    where: str = ''
    why: str | None = None

    def __str__(self) -> str:
        return (f'{self.page}:{self.line}: '
                f'{self.where or "not run: " + str(self.why)}')


def pages() -> list[pathlib.Path]:
    """What operators and developers read."""
    return [TOP / 'README.rst', TOP / 'CONTRIBUTING.rst',
            *sorted((TOP / 'doc/source').rglob('*.rst'))]


def blocks(page: str, text: str) -> Iterator[Block]:
    """The blocks of commands of a page.

    :param page: its name, for messages
    """
    mark = None
    lines = text.splitlines()
    for number, line in enumerate(lines):
        found = MARK.match(line)
        if found:
            mark = found
            continue
        opened = OPENS.match(line)
        if not opened or line.lstrip().startswith('.. note'):
            continue
        body = _body(lines[number + 1:], len(opened[1]))
        shell = opened[2] in ('console', 'bash', 'sh') or (
            opened[2] is None and COMMANDS.match(f'{body} '))
        if body and shell:
            kind, said = mark.groups() if mark else ('', None)
            yield Block(page, number + 1, body,
                        where=said if kind == 'run' else '',
                        why=said if kind == 'not run' else None)
        mark = None


def _body(lines: list[str], indent: int) -> str:
    """What is indented more than the line that opens it."""
    found = []
    for line in lines:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        found.append(line)
    return textwrap.dedent('\n'.join(found)).strip()


def script(block: Block, image: str, volume: str) -> str:
    """What bash is given for a block."""
    text = DOCTOR.sub(r'\1 --timeout 100 || [ $? = 6 ]', block.text)
    text = re.sub(
        r'<([^<>\n]*)>',
        lambda name: volume if re.search('(id|volume)$', name[1]) and not
        name[1].startswith('image') else image, text)
    return '\n'.join(['set -e', *(SANDBOX if block.where == 'sandbox' else ()),
                      text])


def run(text: str) -> str:
    """Run a script in this checkout; its output.

    :raises SystemExit: if it fails, with what it said
    """
    done = subprocess.run(['bash', '-c', text], cwd=TOP, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=SECONDS)
    if done.returncode:
        raise SystemExit(f'{text}\nended with {done.returncode}:\n'
                         f'{done.stdout[-3000:]}')
    return done.stdout


class Fixtures:
    """An image and a volume of it, in the sandbox."""

    def __enter__(self) -> 'Fixtures':
        with tempfile.NamedTemporaryFile(suffix='.raw') as disk:
            disk.write(b'\xeb\x63\x90boot' * 10000)
            disk.flush()
            self.image = self._openstack(
                'image create --disk-format raw --container-format bare '
                f'--file {disk.name} docs-run -f value -c id')
        self.volume = self._openstack(
            f'volume create --image {self.image} --size 1 docs-run '
            '-f value -c id')
        if not polling.wait_until(lambda: self._openstack(
                f'volume show {self.volume} -f value -c status') in (
                    'available', 'error'), SECONDS, interval=1):
            raise SystemExit(f'volume {self.volume} is still not made')
        return self

    def __exit__(self, *error: object) -> None:
        self._openstack(f'volume delete {self.volume}')
        self._openstack(f'image delete {self.image}')

    def _openstack(self, words: str) -> str:
        return run('\n'.join(['set -e', *SANDBOX, f'openstack {words}'])
                   ).strip().rpartition('\n')[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--list', action='store_true',
                        help='only say what is done with each block')
    parser.add_argument('--where', choices=('checkout', 'sandbox'),
                        help='only these')
    options = parser.parse_args()
    found = [block for page in pages() for block in blocks(
        str(page.relative_to(TOP)), page.read_text())]
    if options.list:
        print('\n'.join(map(str, found)))
        return 0
    wanted = [block for block in found if block.where
              and options.where in (None, block.where)]
    here = [block for block in wanted if block.where == 'checkout']
    there = [block for block in wanted if block.where == 'sandbox']
    for block in here:
        _run_block(block)
    if there:
        with Fixtures() as fixtures:
            for block in there:
                _run_block(block, fixtures.image, fixtures.volume)
    print(f'{len(wanted)} passed, 0 failed, '
          f'{len(found) - len(wanted)} skipped')
    return 0


def _run_block(block: Block, image: str = '', volume: str = '') -> None:
    run(script(block, image, volume))
    print(f'ok  {block}', flush=True)


if __name__ == '__main__':
    sys.exit(main())
