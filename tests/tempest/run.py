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

"""Run Tempest in a workspace and read what it found."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import subprocess

from sandbox import errors
from tests.tempest import workspace

READER = pathlib.Path(__file__).resolve().parent / 'read_subunit.py'
# The machine is small, but most of a test is waiting.
CONCURRENCY = 4


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one test.

    :param status: as subunit has it: success, fail, skip, ...
    """

    id: str
    status: str
    seconds: float
    reason: str = ''
    traceback: str = ''

    @property
    def failed(self) -> bool:
        """Whether it neither passed nor was skipped."""
        return self.status not in ('success', 'skip')


def tempest(where: workspace.Workspace, include: pathlib.Path,
            exclude: pathlib.Path,
            concurrency: int = CONCURRENCY) -> list[Outcome]:
    """Run a selection of tests; what became of each.

    :param include: a file with the regular expressions of what to run
    :param exclude: the same, of what to leave out
    :raises sandbox.errors.SandboxError: when Tempest itself failed
    """
    here = where.sandbox.layout
    log = here.log('tempest')
    # What an earlier run has found must not be taken for this one's.
    shutil.rmtree(where.directory / '.stestr', ignore_errors=True)
    with where.web(), log.open('w') as output:
        status = subprocess.run(
            [here.venv / 'bin' / 'tempest', 'run',
             '--config-file', where.conf,
             '--include-list', include, '--exclude-list', exclude,
             '--concurrency', str(concurrency)],
            cwd=where.directory, env=where.sandbox.environ(),
            stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT).returncode
    outcomes = _outcomes(where)
    failed = any(outcome.failed for outcome in outcomes)
    if not outcomes or (status and not failed):
        raise errors.SandboxError(
            'tempest', f'it ended with status {status}', log)
    return outcomes


def _outcomes(where: workspace.Workspace) -> list[Outcome]:
    """The outcomes of the last run."""
    bin = where.sandbox.layout.venv / 'bin'
    options = {'cwd': where.directory, 'env': where.sandbox.environ(),
               'stdout': subprocess.PIPE}
    stream = subprocess.run(
        [bin / 'stestr', 'last', '--subunit'], **options).stdout
    listed = subprocess.run([bin / 'python', READER], input=stream,
                            check=True, **options).stdout
    return [Outcome(**each) for each in json.loads(listed)]
