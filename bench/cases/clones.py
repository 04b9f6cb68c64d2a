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
from collections.abc import Sequence
import functools
from typing import Any

from bench import contender
from bench import data
from bench import footprint
from bench import lab as labs
from bench import results

CACHE = {'image_volume_cache_enabled': True}
Lab = labs.Lab
Sampling = functools.partial[contender.Sample]


def direct(lab: Lab) -> Iterator[results.Result]:
    """A raw image in Glance's RBD store: a clone of Glance's snapshot."""
    disk = lab.scale.disk
    image, parent = lab.stored_image(disk)
    size = disk.gib
    with lab.pools() as pools:
        for name, title, volume, wanted in (
                ('direct-clone', 'same size', size,
                 results.Wanted(3.5, 1.5)),
                ('direct-clone-larger', 'larger volume', 2 * size,
                 results.Wanted(2.6, 2.2))):
            actions = from_image(lab, pools, parent, image, volume)
            samples = lab.turns(actions, lab.scale.many)
            yield results.of_samples(
                name, f'direct clone of a {size} GiB Glance image, {title}',
                samples, wanted=wanted, footprints=lab.footprints(actions),
                snapshots={who: lab.stock.snapshots(*parent[:2])
                           for who in ('ours', 'intree')})


def of_volumes(lab: Lab, which: Sequence[str]) -> Iterator[results.Result]:
    """Clones that cost the in-tree driver a snapshot of a volume.

    A cached image, an image with a ``cinder://`` location and an unchanged
    volume are one and the same to that driver, so it takes one turn for all.

    :param which: of ``cached``, ``cinder`` and ``volume``
    """
    with lab.pools(ours=CACHE) as pools:
        image, sources = cached_image(lab, pools)
        actions, kept = _ours(lab, pools, image, sources, which)
        for count, rounds in ((1, lab.scale.many),
                              (lab.scale.row, lab.scale.long)):
            samples, footprints = _turns(lab, {
                **{kind: functools.partial(act, count=count)
                   for kind, act in actions.items()},
                **_others(lab, pools, image, sources, count)}, count, rounds)
            for kind in which:
                ours = {'ours': kind, 'intree': 'intree', 'limit': 'limit'}
                yield _result(
                    lab, kind, count,
                    {who: samples[of] for who, of in ours.items()},
                    {who: footprints[of] for who, of in ours.items()
                     if of in footprints},
                    {'ours': kept[kind], 'intree': sources['intree']})


def _turns(lab: Lab, actions: Mapping[str, labs.Action], count: int,
           rounds: int) -> tuple[labs.Samples,
                                 dict[str, footprint.Footprint]]:
    """Have turns; what one of many in a row leaves is that of a single."""
    single = count == 1
    return (lab.turns(actions, rounds, warm_up=single),
            lab.footprints(actions) if single else {})


def _ours(lab: Lab, pools: Mapping[str, str], image: str,
          sources: Mapping[str, list[str]], which: Sequence[str],
          ) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """What our driver does of each kind, and what it clones then."""
    disk = lab.scale.cloned
    from_image = functools.partial(lab['ours'].sample, 'from_image',
                                   size=disk.gib)
    actions, kept = {}, {}
    for kind in which:
        if kind == 'cached':
            actions[kind] = functools.partial(from_image, image_id=image)
            kept[kind] = sources['ours']
            continue
        volume = lab.volume('ours', pools['ours'], disk)
        kept[kind] = [pools['ours'], lab.name_of('ours', volume)]
        if kind == 'volume':
            actions[kind] = functools.partial(lab['ours'].sample, 'clone',
                                              source=volume)
        else:
            backed = lab.image(disk)
            lab['ours'].call('mark_as_image', volume_id=volume,
                             image_id=backed)
            lab.know(backed, 'ours', locations=[f'cinder://{volume}'])
            actions[kind] = functools.partial(from_image, image_id=backed)
    return actions, kept


def _others(lab: Lab, pools: Mapping[str, str], image: str,
            sources: Mapping[str, list[str]],
            count: int) -> dict[str, labs.Action]:
    actions = from_image(lab, pools, sources['limit'], image,
                         lab.scale.cloned.gib, count)
    return {kind: actions[kind] for kind in ('intree', 'limit')}


TITLES = {'cached': 'cached clone', 'cinder': 'cinder:// clone',
          'volume': 'clone of an unchanged volume'}
SINGLE = {'cached': results.Wanted(10, 1.15),
          'cinder': results.Wanted(10, 1.2),
          'volume': results.Wanted(10, 1.2)}
ROW = {'cached': results.Wanted(30, 1.15), 'cinder': results.Wanted(30, 1.2),
       'volume': results.Wanted(10, 1.2)}


def _result(lab: Lab, kind: str, count: int, samples: labs.Samples,
            footprints: Mapping[str, footprint.Footprint],
            sources: Mapping[str, list[str]]) -> results.Result:
    row = count > 1
    snapshots = {who: lab.stock.snapshots(*source[:2])
                 for who, source in sources.items()}
    # Or else something else was cloned than is said here.
    assert snapshots['ours'], f'{kind}: the source has no snapshot'
    return results.of_samples(
        f'{kind}-clone' + (f'-{count}' if row else ''),
        f'{TITLES[kind]}, ' + (f'{count} in a row' if row else 'single'),
        samples, count=count, wanted=(ROW if row else SINGLE)[kind],
        footprints=footprints, snapshots=snapshots)


def cold(lab: Lab) -> Iterator[results.Result]:
    """A cached image, by services that have to connect first.

    As after a connection was lost; the in-tree driver connects each time.
    """
    with lab.pools(ours=CACHE) as pools:
        image, sources = cached_image(lab, pools)
        actions = from_image(lab, pools, sources['limit'], image,
                             lab.scale.cloned.gib)
        yield results.of_samples(
            'cached-clone-cold', 'cached clone, connection to be opened',
            lab.turns({who: functools.partial(act, cold=True)
                       for who, act in actions.items()}),
            wanted=results.Wanted(10),
            note='each has a new connection to the cluster in this case, in '
            'all others ours and the limit keep theirs')


def cached_image(lab: Lab, pools: Mapping[str, str],
                 ) -> tuple[str, dict[str, list[str]]]:
    """Have both drivers cache an image.

    :returns: the image's id, and what each contender clones: pool, image and,
        of ours and of the limit, the snapshot
    """
    disk = lab.scale.cloned
    image = lab.image(disk)
    lab.know(image, 'ours')
    lab['ours'].sample('from_image', image_id=image,
                       size=disk.gib)
    golden, = (name for name in lab.stock.names(pools['ours'])
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
    lab.stock.store(pools['limit'], 'source', disk)
    return lab.stock.snapshot(pools['limit'], 'source', 'snap')


def from_image(lab: Lab, pools: Mapping[str, str], parent: list[str],
               image: str, size: int, count: int = 1) -> dict[str, Sampling]:
    """Every contender's volumes of an image, or clones of its data."""
    made = {
        kind: functools.partial(
            lab[kind].sample, 'from_image', image_id=image,
            size=size, count=count)
        for kind in ('ours', 'intree')}
    made['limit'] = functools.partial(
        lab['limit'].sample, 'clone', parent=parent, pool=pools['limit'],
        count=count)
    return made
