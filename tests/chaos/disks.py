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
"""What volumes and snapshots have to hold: the model."""

import dataclasses
from typing import Any

from rbd_imgdriver import model

POOLS = ('volumes', 'volumes2')

# What each block held at some time while a disk was copied.
Moment = list[set[str]]


@dataclasses.dataclass(eq=False)
class Disk:
    """A volume, or a snapshot of one.

    Data is in blocks, one at the start of each object.  Of each block the
    model knows the texts that it may hold: one, but for a moment when an
    operation has failed that may have happened, or when a guest writes while
    the disk is copied.  '': zeroes.

    :param label: for people
    :param real: what the world knows it by
    :param size: GiB
    :param of: the volume of a snapshot
    :param is_operators: whether Cinder does not know the snapshot
    """

    label: str
    real: Any
    size: int
    blocks: list[frozenset[str]]
    pool: str = 'volumes'
    of: 'Disk | None' = None
    snapshots: list['Disk'] = dataclasses.field(default_factory=list)
    is_attached: bool = False
    is_broken: bool = False
    is_operators: bool = False
    _moments: list[Moment] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        return self.label

    def may_hold(self, number: int, text: str) -> None:
        """Note that a block is going to be written."""
        self.blocks[number] |= {text}
        for moment in list(self._moments):
            moment[number] |= {text}

    def holds(self, number: int, text: str) -> None:
        """Note that a block was written."""
        self.blocks[number] = frozenset({text})

    def begin(self) -> Moment:
        """A copy of the disk begins; it holds what is there at some time."""
        moment = [set(block) for block in self.blocks]
        self._moments.append(moment)
        return moment

    def end(self, moment: Moment) -> list[frozenset[str]]:
        """The copy is complete; returns what it may hold."""
        self._moments = [one for one in self._moments if one is not moment]
        return [frozenset(block) for block in moment]

    def learn(self, texts: list[str]) -> None:
        """Compare with what was read.

        :raises WrongBytes: when it is not one of those that may be there
        """
        wrong = {number: (text, sorted(self.blocks[number]))
                 for number, text in enumerate(texts)
                 if text not in self.blocks[number]}
        if wrong:
            raise WrongBytes(
                f'{self.label} ({self.real.name}) reads wrong in '
                f'{len(wrong)} of {len(texts)} objects, for example '
                + '; '.join(f'object {number}: {found[:20]!r} instead of '
                            f'{expected}' for number, (found, expected)
                            in list(wrong.items())[:3]))
        self.blocks = [frozenset({text}) for text in texts]


class WrongBytes(AssertionError):
    """What must never happen."""


class Leaked(AssertionError):
    """Something is left after all was deleted and repaired."""


def found(volume: Disk, source: Any, target: Any) -> str:
    """The pool of a volume whose host died when it moved it.

    Where it died between two certain calls an operator removes the copy, as
    the documentation says (doc/source/data-safety.rst).

    :param source: the pool that it was in
    """
    name = volume.real.name
    if not source.directory.exists(name):
        return str(target.name)
    if model.MOVED_MARK in source.headers.metadata(name):
        source.headers.update(name, {}, [model.MOVED_MARK])
        if target.directory.exists(name):
            target.images.remove(name)
    return str(source.name)
