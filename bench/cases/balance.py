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

"""Which OSDs serve the reads of one image's volumes."""

from __future__ import annotations

from collections.abc import Iterator
import json
from typing import Any

import rbd

from bench import contender
from bench import lab as labs
from bench import results
from sandbox import ceph

OSDS = 3
VOLUMES = 6
# Each volume reads a little of every piece of the image.
PIECE = 256 * 2**10
READ = 4096
EVEN = 1.3


def balanced_reads(lab: labs.Lab) -> Iterator[results.Result]:
    """The busiest OSD's reads as a multiple of the mean."""
    image = lab.image(lab.scale.cloned)
    for name, options in (
            ('balanced-reads', {'rbd_imgdriver_balanced_reads': True}),
            ('balanced-reads-off', {})):
        with lab.replicated(OSDS) as (cluster, driver):
            shares = _shares(lab, cluster, driver, image, options)
        yield results.Result(
            name, f'reads of the busiest of {OSDS} OSDs, by {VOLUMES} volumes '
            'of a cached image, as multiple of the mean'
            + (', without rbd_imgdriver_balanced_reads' if not options
               else ''), 'x',
            {'ours': [max(shares) * OSDS / sum(shares)]},
            results.Wanted(at_most=EVEN) if options else results.Wanted(),
            note='' if options else 'the pool has 8 placement groups; with '
            'more of them, a large image is spread more evenly, and what all '
            'servers read first is not')


def _shares(lab: labs.Lab, cluster: ceph.Cluster,
            driver: contender.Contender, image: str,
            options: dict[str, Any]) -> list[int]:
    """How many reads each OSD served."""
    driver.call('open', pool=labs.VOLUMES,
                options={'image_volume_cache_enabled': True, **options})
    driver.call('add_image', image_id=image, locations=[])
    made = driver.sample('from_image', image_id=image,
                         size=lab.scale.cloned.gib, count=VOLUMES)
    with cluster.connection() as client, \
            client.open_ioctx(labs.VOLUMES) as ioctx:
        before = _reads(client)
        for name in made.names:
            with rbd.Image(ioctx, name, read_only=True) as opened:
                for start, end in lab.scale.cloned.extents():
                    for offset in range(start, end, PIECE):
                        opened.read(offset, READ)
        return [after - earlier for earlier, after in zip(
            before, _reads(client), strict=True)]


def _reads(client: Any) -> list[int]:
    found = []
    for number in range(OSDS):
        command = json.dumps({'prefix': 'perf dump', 'logger': 'osd'})
        _, answer, _ = client.osd_command(number, command, b'')
        found.append(int(json.loads(answer)['osd']['op_r']))
    return found
