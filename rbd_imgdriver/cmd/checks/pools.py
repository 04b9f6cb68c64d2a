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
"""What Ceph says of the pool: pure, from its answers to findings."""

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

from rbd_imgdriver.cmd.checks import findings

Finding = findings.Finding

# Snapshots of one image: krbd refuses to map an image with more than 510
# (RBD_MAX_SNAP_COUNT in the kernel's drivers/block/rbd.c).
KRBD_LIMIT = 510
_NEARLY = 0.8
# Of the capacity that Ceph lets a pool use; it warns itself at 85 %.
_NEARLY_FULL = 0.85


def check(name: str, osd_dump: Mapping[str, Any],
          df: Mapping[str, Any]) -> Iterator[Finding]:
    """What is odd about a pool.

    :param osd_dump: the answer to ``osd dump``
    :param df: the answer to ``df``
    """
    pool = next((one for one in osd_dump['pools']
                 if one['pool_name'] == name), None)
    if pool is None:
        yield Finding('pool-missing', name, 'osd dump does not list it')
        return
    yield from _fullness(name, pool, df)
    if pool['size'] < 2 and pool['type'] == 1:
        yield Finding('single-copy', name, f'size = {pool["size"]}')
    if 'rbd' not in pool.get('application_metadata', {}):
        yield Finding('no-application', name,
                      f'applications: {list(pool["application_metadata"])}')
    if pool.get('pg_autoscale_mode') == 'off':
        yield Finding('autoscaler-off', name, 'pg_autoscale_mode = off')


def _fullness(name: str, pool: Mapping[str, Any],
              df: Mapping[str, Any]) -> Iterator[Finding]:
    flags = set(pool['flags_names'].split(','))
    if flags & {'full', 'full_quota'}:
        yield Finding('pool-full', name, f'flags {pool["flags_names"]}')
        return
    stats = next((one['stats'] for one in df['pools']
                  if one['name'] == name), None)
    if stats is None:
        return
    quota = pool.get('quota_max_bytes') or 0
    shares = {'of its capacity': stats['percent_used']}
    if quota:
        shares['of its quota'] = stats['bytes_used'] / quota
    for of_what, share in shares.items():
        if share >= _NEARLY_FULL:
            yield Finding('pool-nearly-full', name, f'{share:.0%} {of_what}')


def snapshots(counts: Mapping[str, int]) -> Iterator[Finding]:
    """Images with very many snapshots.

    :param counts: snapshots of each image by its name
    """
    for name, count in sorted(counts.items()):
        if count > KRBD_LIMIT:
            yield Finding('too-many-snapshots', name, f'{count} snapshots')
        elif count >= KRBD_LIMIT * _NEARLY:
            yield Finding('many-snapshots', name, f'{count} snapshots')
