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

"""End to end: through the API of a Cinder in a whole cloud, the sandbox."""

from __future__ import annotations

from collections.abc import Iterator
import dataclasses

from bench import cloud as clouds
from bench import lab as labs
from bench import results
from bench import scale as scales
from bench import statistics
from sandbox import rest

# What an image may add to a blank volume, in seconds.
MARGIN = 0.08


def end_to_end(lab: labs.Lab) -> Iterator[results.Result]:
    """How long a user waits for a volume of an image, and for a blank one.

    The cloud is the sandbox that ``make sandbox-up`` starts; if it does not
    run it is started, and stopped again.  Its monitor is quicker than Ceph's
    default, which favours drivers that make snapshots.
    """
    with clouds.sandbox() as sandbox:
        api = rest.Client(sandbox)
        raw = scales.QUICK.imported
        qcow2 = dataclasses.replace(raw, disk_format='qcow2')
        for name, disk, store, title in (
                ('direct', raw, 'rbd', 'raw image in the same cluster'),
                ('cached', qcow2, 'file', 'qcow2 image, cached by us')):
            with clouds.Cloud(api, disk.gib) as cloud:
                image = cloud.image(lab.images.path(disk), disk, store)
                samples = lab.turns({
                    'ours': cloud.action('ours', image),
                    'limit': cloud.action('ours', None),
                    'intree': cloud.action('intree', image)},
                    rounds=lab.scale.api)
            yield from _percentiles(name, title, samples)


def _percentiles(name: str, title: str,
                 samples: labs.Samples) -> Iterator[results.Result]:
    for percent in (50, 95):
        values = {who: [statistics.percentile(
            [one.seconds for one in taken], percent)]
            for who, taken in samples.items()}
        yield results.Result(
            f'end-to-end-{name}-p{percent}',
            f'{title}: until available, through the API, {percent}th '
            'percentile; the limit is a blank volume', 's', values,
            results.Wanted(over_limit=MARGIN),
            rounds=min(map(len, samples.values())))
