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

"""Many volumes of one image at the same time."""

from __future__ import annotations

from collections.abc import Iterator
import functools

from bench.cases import clones
from bench import lab as labs
from bench import results


def cached(lab: labs.Lab) -> Iterator[results.Result]:
    """Of an image that is in the cache."""
    count = lab.scale.at_once
    size = lab.scale.cloned.gib
    with lab.pools(ours=clones.CACHE) as pools:
        image, sources = clones.cached_image(lab, pools)
        actions: dict[str, labs.Action] = {
            kind: functools.partial(
                lab[kind].sample, 'from_image_at_once',
                image_id=image, size=size, count=count)
            for kind in ('ours', 'intree')}
        actions['limit'] = functools.partial(
            lab['limit'].sample, 'clone_in_threads',
            parent=sources['limit'], pool=pools['limit'], count=count)
        samples = lab.long_turns(actions)
        yield results.of_samples(
            f'concurrent-cached-{count}',
            f'{count} concurrent creates of a cached image', samples,
            unit='volumes/s', count=count, wanted=results.Wanted(5, 0.8),
            snapshots={kind: lab.stock.snapshots(*sources[kind][:2])
                       for kind in ('ours', 'intree')})


def uncached(lab: labs.Lab) -> Iterator[results.Result]:
    """Of an image that nobody has cached, in two processes on one pool.

    The in-tree driver has Cinder's image-volume cache, whose entries belong
    to one volume service each.
    """
    count = lab.scale.at_once
    with lab.pools(ours=clones.CACHE) as pools:
        downloads = {
            kind: _downloads(lab, kind, pools[kind], count)
            for kind in ('ours', 'intree')}
    yield results.Result(
        f'concurrent-uncached-{count}',
        f'{count} concurrent creates of one image in two processes, '
        'downloads', 'downloads',
        {kind: [found] for kind, found in downloads.items()},
        results.Wanted(at_most=1))


def _downloads(lab: labs.Lab, kind: str, pool: str, count: int) -> float:
    """Downloads of two new services together, half of the creates each."""
    image = lab.image(lab.scale.cloned)
    before = lab.glance.downloads
    with lab.contender(kind) as one, lab.contender(kind) as other:
        services = (one, other)
        for service in services:
            service.call('open', pool=pool, options=clones.CACHE)
            service.call('add_image', image_id=image, locations=[],
                         cached=True)
        for service in services:
            service.begin(
                'from_image_at_once', image_id=image,
                size=lab.scale.cloned.gib, count=count // 2)
        for service in services:
            service.answer()
    return lab.glance.downloads - before
