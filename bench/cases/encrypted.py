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

"""Encrypted volumes of images.

Step one is Cinder's volume manager, which has the image downloaded first;
step two is ours, which asks the driver before.  The in-tree driver imports
and encrypts in any case.  The limit is a clone of the cached image without
encryption.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import functools
import types

from bench.cases import clones
from bench.cases import imports
from bench import contender
from bench import data
from bench import footprint
from bench import lab as labs
from bench import results

NONE: Mapping[str, footprint.Footprint] = types.MappingProxyType({})
STEPS = {'two': True, 'one': False}
NAMES = {'two': '', 'one': '-step-one'}
TITLES = {'two': 'step two: our volume manager',
          'one': "step one: Cinder's volume manager"}


def warm(lab: labs.Lab) -> Iterator[results.Result]:
    """The project has such a volume of the image already."""
    disk = lab.scale.disk
    image = _image(lab, disk)
    with lab.pools(ours=clones.CACHE) as pools:
        plain = functools.partial(
            lab['ours'].sample, 'from_image', image_id=image,
            size=_size(disk))
        plain()
        plain(encrypted=True, ahead=True)
        ours = {step: functools.partial(plain, encrypted=True, ahead=ahead)
                for step, ahead in STEPS.items()}
        # What takes half a minute, and what takes a moment.
        slow = lab.long_turns({
            'one': ours['one'], 'intree': functools.partial(
                _in_tree, lab, pools['intree'], image, disk)})
        quick = {'two': ours['two'], 'limit': plain}
        yield from _results('encrypted-clone', 'another encrypted volume',
                            disk, slow | lab.turns(quick, lab.scale.many),
                            1.5, lab.footprints(quick))


def cold(lab: labs.Lab) -> Iterator[results.Result]:
    """Nobody has used the image before: each turn has one of its own."""
    disk = lab.scale.disk
    with lab.pools(ours=clones.CACHE) as pools:
        def first(ahead: bool) -> contender.Sample:
            return lab['ours'].sample(
                'from_image', image_id=_image(lab, disk), size=_size(disk),
                encrypted=True, ahead=ahead)

        def limit() -> contender.Sample:
            return lab['ours'].sample(
                'from_image', image_id=_image(lab, disk), size=_size(disk))

        samples = lab.long_turns({
            **{step: functools.partial(first, ahead)
               for step, ahead in STEPS.items()},
            'intree': lambda: _in_tree(lab, pools['intree'],
                                       _image(lab, disk), disk),
            'limit': limit})
        yield from _results('encrypted-clone-cold',
                            'the first encrypted volume', disk, samples)


def _results(name: str, title: str, disk: data.Disk, samples: labs.Samples,
             vs_limit: float | None = None,
             footprints: Mapping[str, footprint.Footprint] = NONE,
             ) -> Iterator[results.Result]:
    for step in STEPS:
        yield results.of_samples(
            name + NAMES[step],
            f'{title} of a raw image, {disk.size // data.MIB} MiB of which '
            f'{disk.data // data.MIB} MiB are data, {TITLES[step]}',
            {'ours': samples[step], 'intree': samples['intree'],
             'limit': samples['limit']},
            wanted=results.Wanted(
                vs_limit=vs_limit if step == 'two' else None),
            footprints={who: footprints[of] for who, of in (
                ('ours', step), ('limit', 'limit')) if of in footprints},
            note='the limit is the same without encryption')


def _image(lab: labs.Lab, disk: data.Disk) -> str:
    image = lab.image(disk)
    lab.know(image)
    return image


def _size(disk: data.Disk) -> int:
    """GiB of a volume that has room for the disk and a header."""
    return disk.gib + 1


def _in_tree(lab: labs.Lab, pool: str, image: str,
             disk: data.Disk) -> contender.Sample:
    return imports.imported(lab, 'intree', pool, {
        'image_id': image, 'size': _size(disk), 'encrypted': True})
