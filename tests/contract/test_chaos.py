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
"""The whole of what the driver calls, in sequences of all that may happen.

``tests/chaos`` has the machine, and runs it on a real Ceph (``make chaos``)
and ten thousand times in memory (``make chaos-fake``).
"""

from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import stateful
from hypothesis import strategies as st
import pytest

from tests.chaos import choices
from tests.chaos import fake_world
from tests.chaos import machine

SEEDS = 1000
STEPS = 40


class Sequences(stateful.RuleBasedStateMachine):
    """Hypothesis decides, and shortens what fails."""

    def __init__(self) -> None:
        super().__init__()
        self._drawn = choices.Drawn()
        self._machine = machine.Machine(fake_world.FakeWorld(), self._drawn)

    @stateful.rule(data=st.data())
    def step(self, data) -> None:
        self._drawn.data = data
        self._machine.step()

    @stateful.rule(data=st.data())
    def all_is_as_expected(self, data) -> None:
        del data
        self._machine.check()

    def teardown(self) -> None:
        # There is nothing to draw from any more.
        self._machine.choices = choices.Seeded(0)
        self._machine.finish()


@pytest.mark.timeout(600)
def test_drawn_sequences():
    stateful.run_state_machine_as_test(Sequences, settings=settings(
        max_examples=25, stateful_step_count=30, deadline=None,
        suppress_health_check=list(HealthCheck)))


@pytest.mark.timeout(600)
def test_seeds():
    for seed in range(SEEDS):
        made = machine.Machine(fake_world.FakeWorld(), choices.Seeded(seed))
        try:
            for _ in range(STEPS):
                made.step()
            made.finish()
        except Exception as error:
            error.add_note(f'make chaos-fake SEED={seed}')
            raise


def test_a_seed_is_a_sequence():
    logs = []
    for _ in range(2):
        made = machine.Machine(fake_world.FakeWorld(), choices.Seeded(7))
        for _ in range(STEPS):
            made.step()
        made.finish()
        logs.append(made.log)
    assert logs[0] == logs[1]


def test_it_finds_clones_of_what_was_before_a_revert():
    """When a revert leaves no trace where changes are looked for."""
    with pytest.raises(machine.disks.WrongBytes):
        for seed in range(SEEDS):
            world = fake_world.FakeWorld(reverts_show=False)
            made = machine.Machine(world, choices.Seeded(seed))
            for _ in range(STEPS):
                made.step()
            made.check()
