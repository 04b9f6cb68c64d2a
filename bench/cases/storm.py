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

"""Storms: very many volumes of one image at once, on two hosts.

The limit is a driver whose volumes are nothing
(:mod:`sandbox.null_driver`): what Cinder can do on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
import dataclasses

from bench import cloud as clouds
from bench import contender
from bench import data
from bench import lab as labs
from bench import results
from bench import statistics
from bench import storm as storms
from sandbox import context
from sandbox import rest
from sandbox import volume_types

NULL = 'null'
OURS, INTREE, LIMIT = 'ours', 'intree', 'limit'
TYPES = {**clouds.KINDS, LIMIT: NULL}
# Of the rate of a driver that has nothing to do.
RATE = 0.95
# Of the slowest of a hundred volumes, as a multiple of the median.
SPREAD = 3.0
SETTINGS = {
    'SANDBOX_DIR': str(contender.TOP / '.sandbox-storm'),
    'SANDBOX_BACKENDS': f'img1,intree,{NULL}', 'SANDBOX_VOLUME_HOSTS': '2',
    'SANDBOX_NOTIFICATIONS': 'log'}


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of volumes.

    :param types: the volume types by contender
    :param disk_format: of the image; '' for blank volumes
    :param warm: whether a volume of the image is made before
    """

    name: str
    title: str
    types: Mapping[str, str]
    disk_format: str = ''
    warm: bool = True


WITHOUT_INTREE = {kind: TYPES[kind] for kind in (OURS, LIMIT)}
KINDS = (
    Kind('blank', 'blank volumes', TYPES),
    Kind('raw', 'volumes of a raw image in the same cluster', TYPES, 'raw'),
    # In-tree downloads and converts each: no storm, an hour.
    Kind('qcow2-cold', 'volumes of a qcow2 image that is new',
         WITHOUT_INTREE, 'qcow2', warm=False),
    Kind('qcow2-warm', 'volumes of a cached qcow2 image', WITHOUT_INTREE,
         'qcow2'),
    Kind('encrypted', 'encrypted volumes of a cached image',
         {**WITHOUT_INTREE, OURS: volume_types.ENCRYPTED}, 'qcow2'))


def storm(lab: labs.Lab) -> Iterator[results.Result]:
    """One after the other; nothing else may run on the machine."""
    with clouds.sandbox(**SETTINGS) as sandbox:
        _without_quota(rest.Client(sandbox))
        for kind in KINDS:
            found = {}
            for who, type_ in kind.types.items():
                found[who] = _blow(lab, sandbox, kind, type_)
                labs.say(f'{kind.name} {who}: {_note(found[who])}')
            yield from _results(kind, found)


def _blow(lab: labs.Lab, sandbox: context.Context, kind: Kind,
          type_: str) -> storms.Storm:
    """One storm, of an image of its own."""
    if not kind.disk_format:
        return storms.blow(sandbox, lab.scale.storm, type_, None)
    disk = data.Disk(256 * data.MIB, 64 * data.MIB, kind.disk_format)
    with clouds.Cloud(rest.Client(sandbox), 1) as cloud:
        image = cloud.image(lab.images.path(disk), disk,
                            'rbd' if kind.disk_format == 'raw' else 'file')
        if kind.warm:
            storms.blow(sandbox, 1, type_, image)
        return storms.blow(sandbox, lab.scale.storm, type_, image)


def _without_quota(api: rest.Client) -> None:
    api.volume('PUT', f'/os-quota-sets/{api.project_id}', {
        'quota_set': {'volumes': -1, 'gigabytes': -1}})


def _results(kind: Kind, found: Mapping[str, storms.Storm],
             ) -> Iterator[results.Result]:
    ours = found[OURS]
    title = f'{ours.count:,} {kind.title} at once'
    yield results.Result(
        f'{results.STORM}{kind.name}-rate', title, '1/s',
        {who: [one.rate] for who, one in found.items()},
        results.Wanted(vs_limit=RATE), more_is_better=True,
        note=_note(ours), rounds=1)
    yield results.Result(
        f'{results.STORM}{kind.name}-p99',
        f'{title}: 99th percentile of the time in cinder-volume, as multiple '
        'of the median', 'x',
        {who: [one.spread] for who, one in found.items()},
        results.Wanted(at_most=SPREAD), rounds=1)


def _note(one: storms.Storm) -> str:
    return (f'{one.rate:.2f} a second; errors {one.errors}, stuck '
            f'{one.stuck}, downloads {one.downloads}; median '
            f'{statistics.percentile(one.times, 50):.2f} s, 99 % '
            f'{statistics.percentile(one.times, 99):.2f} s; memory of a '
            f'cinder-volume {one.memory / 2**20:.0f} MiB')
