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
# RBD's features that the driver's ways of working use, with their bits
# (librbd/features.h); a copy without fast-diff is only slower.
_FEATURES = {'layering': 1, 'exclusive-lock': 4, 'object-map': 8}


def check(name: str, osd_dump: Mapping[str, Any],
          df: Mapping[str, Any]) -> Iterator[Finding]:
    """What is odd about a pool.

    :param osd_dump: the answer to ``osd dump``
    :param df: the answer to ``df``
    """
    pool = _find(name, osd_dump)
    if pool is None:
        yield Finding('pool-missing', name, 'osd dump does not list it')
        return
    yield from fullness(name, osd_dump, df)
    if pool['size'] < 2 and pool['type'] == 1:
        yield Finding('single-copy', name, f'size = {pool["size"]}')
    if 'rbd' not in pool.get('application_metadata', {}):
        yield Finding('no-application', name,
                      f'applications: {list(pool["application_metadata"])}')
    if pool.get('pg_autoscale_mode') == 'off':
        yield Finding('autoscaler-off', name, 'pg_autoscale_mode = off')


def features(name: str, configured: str | None) -> Iterator[Finding]:
    """Which features new images do not have.

    :param configured: ``rbd_default_features``, a number as librbd gives it
    """
    bits = int(configured or 0)
    missing = [feature for feature, bit in _FEATURES.items()
               if bits and not bits & bit]
    if missing:
        yield Finding('features-missing', name,
                      f'rbd_default_features = {bits}, without '
                      + ', '.join(missing))


def exists(name: str, osd_dump: Mapping[str, Any]) -> bool:
    """Whether the cluster has a pool of that name."""
    return _find(name, osd_dump) is not None


def _find(name: str, osd_dump: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((one for one in osd_dump['pools']
                 if one['pool_name'] == name), None)


def fullness(name: str, osd_dump: Mapping[str, Any],
             df: Mapping[str, Any]) -> Iterator[Finding]:
    """Whether a pool is full, or nearly so."""
    pool = _find(name, osd_dump)
    if pool is None:
        return
    flags = set(pool['flags_names'].split(','))
    if flags & {'full', 'full_quota'}:
        yield Finding('pool-full', name, f'flags {pool["flags_names"]}')
        return
    stats = next((one['stats'] for one in df['pools']
                  if one['name'] == name), None)
    if stats is None:
        return
    shares = {'of its capacity': stats['percent_used']}
    # Ceph compares what clients have stored, not its copies (OSDMonitor.cc,
    # check_full of the pool's statistics).
    for quota, used, what in (
            ('quota_max_bytes', stats.get('stored', stats['bytes_used']),
             'of its quota of bytes'),
            ('quota_max_objects', stats.get('objects', 0),
             'of its quota of objects')):
        if pool.get(quota):
            shares[what] = used / pool[quota]
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
