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

"""Volumes from images whose data has to be brought into RBD.

The cache is off, so that both drivers do the same work: one volume.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses
import functools
from typing import Any

from bench import contender
from bench import data
from bench import lab as labs
from bench import results

DRIVERS = ('ours', 'intree')
# With LUKS, QEMU first times how quickly it derives keys.  On a busy machine
# that fails now and then, and the create with it.
UNSURE = 'Unable to get accurate CPU usage'
TRIES = 5


def raw(lab: labs.Lab) -> Iterator[results.Result]:
    """A raw image; the limit is to hash it or to write it."""
    disk = lab.scale.imported
    image = lab.image(disk)
    lab.know(image)
    path = str(lab.images.path(disk))
    with lab.pools() as pools:
        samples = lab.turns(
            _actions(lab, pools, image, disk.gib) | {
                'hash': functools.partial(lab['limit'].sample, 'hash',
                                          path=path),
                'write': functools.partial(
                    lab['limit'].sample, 'write', path=path,
                    extents=disk.extents(), size=disk.size,
                    pool=pools['limit'])})
    bounds = {kind: samples.pop(kind) for kind in ('hash', 'write')}
    slower, quicker = sorted(bounds, reverse=True, key=lambda kind: sum(
        one.seconds for one in bounds[kind]))
    for name, bound, wanted in (
            ('import-raw', slower, results.Wanted(6, 1.15)),
            (f'import-raw-{quicker}', quicker, results.Wanted())):
        yield results.of_samples(
            name, f'import of a raw image, {_what(disk)}; the limit is to '
            f'{bound} the data', samples | {'limit': bounds[bound]},
            unit='s', wanted=wanted)


def qcow2(lab: labs.Lab) -> Iterator[results.Result]:
    """A qcow2 image that Glance has in a file."""
    disk = dataclasses.replace(lab.scale.converted, disk_format='qcow2')
    image = lab.image(disk)
    lab.know(image)
    with lab.pools() as pools:
        yield results.of_samples(
            'import-qcow2', f'import of a qcow2 image, {_what(disk)}',
            lab.turns(_actions(lab, pools, image, disk.gib)),
            unit='s', wanted=results.Wanted(5))


def qcow2_in_cluster(lab: labs.Lab) -> Iterator[results.Result]:
    """A qcow2 image that Glance has in the same cluster."""
    disk = dataclasses.replace(lab.scale.converted, disk_format='qcow2')
    image, _ = lab.stored_image(disk)
    with lab.pools() as pools:
        yield results.of_samples(
            'import-qcow2-in-cluster', 'import of a qcow2 image stored in '
            f'the same cluster, {_what(disk)}',
            lab.turns(_actions(lab, pools, image, disk.gib)),
            unit='s', wanted=results.Wanted(7))


def luks(lab: labs.Lab) -> Iterator[results.Result]:
    """A raw image into an encrypted volume.

    All of its bytes are written, holes included.
    """
    disk = lab.scale.encrypted
    image = lab.image(disk)
    lab.know(image)
    # LUKS has a header, for which the image's size has no room.
    size = disk.gib + 1
    with lab.pools() as pools:
        yield results.of_samples(
            'import-luks', 'import of a raw image into an encrypted volume, '
            + _what(disk),
            lab.long_turns(_actions(lab, pools, image, size, encrypted=True)),
            unit='s', wanted=results.Wanted(2.5))


def memory(lab: labs.Lab) -> Iterator[results.Result]:
    """A large, sparse raw image: how much memory its import takes."""
    disk = lab.scale.sparse
    image = lab.image(disk)
    lab.know(image, 'ours')
    with lab.pools() as pools:
        act = _actions(lab, pools, image, disk.gib)['ours']
        sample = act()
    peak = sample.memory_bytes / data.MIB
    yield results.Result(
        'import-memory', f'import of a raw image, {_what(disk)}: memory '
        'above that before', 'MiB', {'ours': [peak]},
        results.Wanted(at_most=256), costs=results.costs({'ours': [sample]}))


def _actions(lab: labs.Lab, pools: Mapping[str, str], image: str,
             size: int, **arguments: Any) -> dict[str, labs.Action]:
    return {kind: functools.partial(
        imported, lab, kind, pools[kind],
        {'image_id': image, 'size': size, **arguments})
        for kind in DRIVERS}


def imported(lab: labs.Lab, kind: str, pool: str,
             arguments: dict[str, Any]) -> contender.Sample:
    """Import into one volume, which is removed; again when qemu was unsure."""
    for _ in range(TRIES):
        try:
            sample = lab[kind].sample('from_image', watch=True, **arguments)
        except contender.ContenderFailed as error:
            if UNSURE not in str(error):
                raise
            lab.stock.empty(pool)
        else:
            lab.stock.remove(pool, sample.names)
            return sample
    raise contender.ContenderFailed(f'{kind}: {TRIES} times "{UNSURE}"')


def _what(disk: data.Disk) -> str:
    return (f'{disk.size // data.MIB} MiB of which {disk.data // data.MIB} '
            'MiB are data')
