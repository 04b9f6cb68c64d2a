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

"""Volumes from images that need no import, and from volumes."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import functools

from bench import data
from bench import lab as labs
from bench import results

CACHE = {'image_volume_cache_enabled': True}
Lab = labs.Lab


def direct(lab: Lab) -> Iterator[results.Result]:
    """A raw image in Glance's RBD store: a clone of Glance's snapshot."""
    disk = lab.scale.disk
    image, parent = lab.stored_image(disk)
    size = disk.size // data.GIB
    with lab.pools() as pools:
        for name, title, volume, wanted in (
                ('direct-clone', 'same size', size,
                 results.Wanted(3.5, 1.5)),
                ('direct-clone-larger', 'larger volume', 2 * size,
                 results.Wanted(2.6, 2.2))):
            samples = lab.turns(
                from_image(lab, pools, parent, image, volume),
                rounds=3 * lab.scale.rounds)
            yield results.of_samples(
                name, f'direct clone of a {size} GiB Glance image, {title}',
                samples, wanted=wanted,
                snapshots={who: lab.snapshots(*parent[:2])
                           for who in ('ours', 'intree')})


def cached(lab: Lab) -> Iterator[results.Result]:
    """An image that is in the cache already."""
    with lab.pools(ours=CACHE) as pools:
        image, sources = cached_image(lab, pools)
        yield from _single_and_row(
            lab, pools, image, sources, 'cached-clone', 'cached clone')


def cinder(lab: Lab) -> Iterator[results.Result]:
    """A raw image that a Cinder volume backs."""
    disk = lab.scale.imported
    with lab.pools() as pools:
        image = lab.image(disk)
        sources = {'limit': _limit_source(lab, pools, disk)}
        for kind in ('ours', 'intree'):
            volume = lab.volume(kind, pools[kind], disk)
            sources[kind] = [pools[kind], lab.name_of(kind, volume)]
            lab.know(image, kind, locations=[f'cinder://{volume}'],
                     volume=volume)
        yield from _single_and_row(
            lab, pools, image, sources, 'cinder-clone', 'cinder:// clone')


def cached_image(lab: Lab, pools: Mapping[str, str],
                 ) -> tuple[str, dict[str, list[str]]]:
    """Have both drivers cache an image.

    :returns: the image's id, and what each contender clones: pool, image and,
        of ours and of the limit, the snapshot
    """
    disk = lab.scale.imported
    image = lab.image(disk)
    lab.know(image, 'ours')
    lab['ours'].sample('from_image', image_id=image,
                       size=disk.size // data.GIB)
    golden, = (name for name in lab.names(pools['ours'])
               if name.startswith('image-cache-'))
    # Cinder's entry is a clone of the first volume of the image.
    first = lab.volume('intree', pools['intree'], disk)
    made = lab['intree'].sample('clone', source=first)
    lab.know(image, 'intree', volume=made.volumes[0])
    return image, {
        'ours': [pools['ours'], golden, 'image'],
        'intree': [pools['intree'], made.names[0]],
        'limit': _limit_source(lab, pools, disk)}


def _limit_source(lab: Lab, pools: Mapping[str, str],
                  disk: data.Disk) -> list[str]:
    lab.store(pools['limit'], 'source', disk)
    return lab.snapshot(pools['limit'], 'source', 'snap')


def _single_and_row(lab: Lab, pools: Mapping[str, str],
                    image: str, sources: Mapping[str, list[str]], name: str,
                    title: str) -> Iterator[results.Result]:
    row = lab.scale.row
    size = lab.scale.imported.size // data.GIB
    for count, suffix, ending, wanted in (
            (1, '', 'single', results.Wanted(10, 1.2)),
            (row, f'-{row}', f'{row} in a row', results.Wanted(30, 1.2))):
        samples = lab.turns(from_image(
            lab, pools, sources['limit'], image, size, count))
        yield results.of_samples(
            name + suffix, f'{title}, {ending}', samples, count=count,
            wanted=wanted,
            snapshots={kind: lab.snapshots(*sources[kind][:2])
                       for kind in ('ours', 'intree')})


def from_image(lab: Lab, pools: Mapping[str, str], parent: list[str],
                image: str, size: int,
                count: int = 1) -> dict[str, labs.Action]:
    made: dict[str, labs.Action] = {
        kind: functools.partial(
            lab[kind].sample, 'from_image', image_id=image,
            size=size, count=count)
        for kind in ('ours', 'intree')}
    made['limit'] = functools.partial(
        lab['limit'].sample, 'clone', parent=parent, pool=pools['limit'],
        count=count)
    return made


def volume(lab: Lab) -> Iterator[results.Result]:
    """A volume cloned again and again, with no write to it between."""
    row = lab.scale.row
    with lab.pools() as pools:
        sources = {kind: lab.volume(kind, pools[kind], lab.scale.imported)
                   for kind in ('ours', 'intree')}
        samples = lab.turns({
            kind: functools.partial(lab[kind].sample, 'clone',
                                    source=source, count=row)
            for kind, source in sources.items()})
        yield results.of_samples(
            f'volume-clone-{row}',
            f'clone of an unchanged volume, {row} in a row', samples,
            count=row, wanted=results.Wanted(10),
            snapshots={kind: lab.snapshots(pools[kind],
                                           lab.name_of(kind, source))
                       for kind, source in sources.items()})
