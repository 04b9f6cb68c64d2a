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

"""Long chains of clones, and volumes that must not be clones."""

from __future__ import annotations

from collections.abc import Iterator
import functools

from bench import contender
from bench import data
from bench import lab as labs
from bench import results

# Cinder's default of rbd_max_clone_depth.
DEPTH = 5
# Bytes that the cloned volume has been written since it was cloned itself.
OWN_DATA = 16 * data.MIB


def depth_limit(lab: labs.Lab) -> Iterator[results.Result]:
    """The clone of a volume that has as many ancestors as it may have.

    Each is the clone of another volume, as deep and without children, that
    has been written to a little.
    """
    kinds = ('ours', 'intree')
    with lab.pools() as pools:
        parents = {kind: _chain(lab, pools[kind]) for kind in kinds}
        samples = lab.turns({
            kind: functools.partial(_clone_leaf, lab, kind, parents[kind])
            for kind in kinds})
        yield results.of_samples(
            'depth-limit', 'clone of a volume at rbd_max_clone_depth, '
            f'{lab.scale.disk.data // data.MIB} MiB of data, until usable',
            samples, wanted=results.Wanted(10))


def _chain(lab: labs.Lab, pool: str) -> list[str]:
    """The last snapshot of a chain; a clone of it is as deep as may be."""
    lab.stock.store(pool, 'volume-0', lab.scale.disk)
    for number in range(DEPTH):
        # So the in-tree driver calls the snapshots that count as depth.
        snapshot = lab.stock.snapshot(pool, f'volume-{number}',
                                f'volume-{number + 1}.clone_snap')
        # The last clone is of no use but to keep the snapshot: a driver may
        # remove one that has no child left.
        lab.stock.clone(snapshot, pool, f'volume-{number + 1}')
    return snapshot


def _clone_leaf(lab: labs.Lab, kind: str,
                parent: list[str]) -> contender.Sample:
    leaf = lab[kind].call('add_volume',
                          size=lab.scale.disk.gib)
    lab.stock.clone(parent, parent[0], lab.name_of(kind, leaf))
    lab.stock.overwrite(parent[0], lab.name_of(kind, leaf), OWN_DATA)
    return lab[kind].sample('clone', source=leaf)


def full_copy(lab: labs.Lab) -> Iterator[results.Result]:
    """``rbd_max_clone_depth = 0``: volumes that depend on nothing."""
    disk = lab.scale.disk
    options = {'rbd_max_clone_depth': 0}
    with lab.pools(ours=options, intree=options) as pools:
        samples = lab.turns({
            kind: functools.partial(
                _copy, lab, kind, pools[kind],
                lab.volume(kind, pools[kind], disk))
            for kind in ('ours', 'intree')})
        yield results.of_samples(
            'full-copy', f'full copy of a volume of {disk.gib} '
            f'GiB with {disk.data // data.MIB} MiB of data', samples,
            unit='s', wanted=results.Wanted(2))


def _copy(lab: labs.Lab, kind: str, pool: str,
          source: str) -> contender.Sample:
    sample = lab[kind].sample('clone', source=source)
    lab.stock.remove(pool, sample.names)
    return sample
