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

"""What a run of Tempest comes to, alone and beside the other driver's."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from collections.abc import Sequence
import dataclasses
import json
import pathlib

from tests.tempest import run

GLANCE_POOL = 'images/'


@dataclasses.dataclass(frozen=True)
class Report:
    """A run of Tempest and what it left behind.

    :param driver: class of the driver under test
    :param seconds: how long the tests took
    :param left: what the pools hold that no service knows of
    """

    driver: str
    seconds: float
    outcomes: tuple[run.Outcome, ...]
    left: tuple[str, ...]

    def save(self, path: pathlib.Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1))

    @classmethod
    def load(cls, path: pathlib.Path) -> Report:
        """Read what was saved.

        :raises FileNotFoundError: if there was no such run
        """
        saved = json.loads(path.read_text())
        outcomes = tuple(run.Outcome(**each) for each in saved['outcomes'])
        return cls(saved['driver'], saved['seconds'], outcomes,
                   tuple(saved['left']))

    def ids(self, *statuses: str) -> set[str]:
        """The tests with one of these outcomes, by default all."""
        return {each.id for each in self.outcomes
                if not statuses or each.status in statuses}

    @property
    def failures(self) -> list[run.Outcome]:
        return [each for each in self.outcomes if each.failed]

    @property
    def counts(self) -> str:
        """The last line of a test run, as everywhere in this project."""
        return (f'{len(self.ids("success"))} passed, '
                f'{len(self.failures)} failed, '
                f'{len(self.ids("skip"))} skipped')

    @property
    def good(self) -> bool:
        """Whether tests passed, none failed, and Cinder left nothing."""
        return bool(self.ids('success')) and not (
            self.failures or self.left_by_cinder)

    @property
    def left_by_cinder(self) -> list[str]:
        """What is left in pools that Cinder may write to.

        Glance moves images that have clones to the trash and forgets them
        there; no driver of Cinder could remove them.
        """
        return [name for name in self.left
                if not name.startswith(GLANCE_POOL)]


def lines(report: Report) -> Iterator[str]:
    """What a person wants to know of one run."""
    for failure in report.failures:
        yield f'FAILED  {failure.id}'
        yield from ('    ' + line for line in failure.traceback.splitlines())
    reasons = collections.Counter(
        each.reason.strip() for each in report.outcomes
        if each.status == 'skip')
    for reason, count in reasons.most_common():
        yield f'skipped {count:4}  {reason}'
    for each in sorted(report.outcomes, key=lambda each: -each.seconds)[:5]:
        yield f'slow    {each.seconds:4.0f}  s: {each.id.partition("[")[0]}'
    yield from (f'left behind: {name}' for name in report.left)
    yield (f'{report.driver}: {report.counts}, {report.seconds:.0f} s, '
           f'{len(report.left)} left behind')


def only_ours(ours: Report, other: Report, status: str) -> list[str]:
    """Tests that ended so with our driver and otherwise with the other."""
    return sorted(ours.ids(status) & other.ids() - other.ids(status))


def comparison(ours: Report, other: Report) -> Iterator[str]:
    """How our run differs from the in-tree driver's, to our disadvantage."""
    yield from _list('skipped here only', only_ours(ours, other, 'skip'))
    yield from _list('failed here only', only_ours(ours, other, 'fail'))
    yield f'{other.driver}: {other.counts}, {other.seconds:.0f} s, ' \
          f'{len(other.left)} left behind'


def _list(title: str, tests: Sequence[str]) -> Iterator[str]:
    yield from (f'{title}: {test}' for test in tests)
