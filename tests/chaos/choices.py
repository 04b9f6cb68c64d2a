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
"""Where the machine's decisions come from: a seed, or Hypothesis."""

from collections.abc import Sequence
import random
from typing import Any
from typing import Protocol
from typing import TypeVar

from hypothesis import strategies as st

_T = TypeVar('_T')


class Choices(Protocol):
    """Decides."""

    def number(self, low: int, high: int) -> int:
        """A number between two, which are possible as well."""
        ...

    def choose(self, among: Sequence[_T]) -> _T:
        """One of several, all equally likely."""
        ...


class Seeded:
    """The same decisions each time for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def choose(self, among: Sequence[_T]) -> _T:
        return self._random.choice(among)


class Drawn:
    """Hypothesis decides, and makes what fails shorter.

    :ivar data: of ``strategies.data()``; each rule has its own
    """

    data: Any = None

    def number(self, low: int, high: int) -> int:
        return self.data.draw(st.integers(low, high))

    def choose(self, among: Sequence[_T]) -> _T:
        return among[self.data.draw(st.integers(0, len(among) - 1))]
