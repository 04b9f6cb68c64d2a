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
"""What the cluster can do for us, found by doing it with a probe."""

from collections.abc import Iterator
from collections.abc import Set
import json
import secrets

from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.cmd.checks import findings
from rbd_imgdriver.cmd.checks import pools
from rbd_imgdriver import locations
from rbd_imgdriver import model
from rbd_imgdriver import trust

Finding = findings.Finding

PROBE = 'rbd-imgdriver-probe-'


def reachable(pool: parts.Pool) -> Finding:
    """Whether the cluster answers, and has the pool."""
    try:
        fsid = pool.fsid()
        version = json.loads(pool.mon_command('version'))['version']
        pool.directory.exists(PROBE)
    except ceph_errors.PoolNotFound as error:
        return Finding('pool-missing', pool.name, str(error))
    except ceph_errors.KeyTooNew as error:
        return Finding('key-too-new', pool.name, str(error))
    except ceph_errors.CephError as error:
        return Finding('cluster-unreachable', pool.name, str(error))
    return Finding('cluster', pool.name, f'{fsid}, {version}')


def probe(pool: parts.Pool) -> Iterator[Finding]:
    """Make, clone and remove an image."""
    name = PROBE + secrets.token_hex(4)
    try:
        version = pool.clones.probe(name)
    except ceph_errors.CephError as error:
        yield Finding('probe-failed', pool.name, _sentence(error))
        return
    yield Finding('probe', pool.name, f'clones of format {version}')
    if version < 2:
        yield Finding('clone-format-1', pool.name,
                      'a snapshot has to be protected to be cloned')


def caps(pool: parts.Pool) -> Iterator[Finding]:
    """Whether the user has rights that no driver needs.

    A user of the profile ``rbd`` may not list the others.
    """
    try:
        pool.mon_command('auth ls')
    except ceph_errors.CephError:
        return
    yield Finding('caps-wide', pool.name, 'it may list all keys')


def settings(pool: parts.Pool) -> Iterator[Finding]:
    """How the pool is set up, and what it holds."""
    yield from pools.check(
        pool.name, json.loads(pool.mon_command('osd dump')),
        json.loads(pool.mon_command('df')))
    yield from _data_pool(pool)
    yield from pools.snapshots(pool.snapshots.counts())
    trashed = pool.trash.entries()
    if trashed:
        yield Finding('trash', pool.name, f'{len(trashed)} images')
    intervals = pool.trash.purge_intervals()
    if intervals:
        yield Finding('trash-schedule', pool.name,
                      f'every {", ".join(intervals)}')


def _data_pool(pool: parts.Pool) -> Iterator[Finding]:
    name = pool.data.pool()
    if not name:
        return
    try:
        pool.sibling(name).directory.exists(PROBE)
    except ceph_errors.PoolNotFound as error:
        yield Finding('data-pool-missing', name, str(error))
    except ceph_errors.PermissionDenied:
        yield Finding('data-pool', name, 'its objects cannot be read')
    else:
        yield Finding('data-pool', name, f'data of images in {pool.name}')


def glance_clone(pool: parts.Pool, images: list[model.Image],
                 volume_pools: Set[str]) -> Iterator[Finding]:
    """Clone an image of Glance, and remove the clone.

    :param volume_pools: names of the pools that hold volumes
    """
    fsid = pool.fsid()
    elsewhere = []
    for image in images:
        for location in _locations(image):
            objection = trust.objection(image, trust.RbdClaim(
                location, fsid, volume_pools))
            if objection is None:
                yield _try(pool, location)
                return
            if location.fsid != fsid:
                elsewhere.append(image.id)
    if elsewhere:
        yield Finding('glance-elsewhere', pool.name,
                      f'for example image {elsewhere[0]}')
    else:
        yield Finding('glance-clone-untested', pool.name,
                      f'{len(images)} images were looked at')


def _locations(image: model.Image) -> Iterator[locations.RbdLocation]:
    """Where a raw image is in Ceph."""
    for url in image.locations:
        location = locations.parse(url)
        if image.raw and isinstance(location, locations.RbdLocation):
            yield location


def _try(pool: parts.Pool, location: locations.RbdLocation) -> Finding:
    name = PROBE + secrets.token_hex(4)
    parent = clones.SnapshotSpec(location.pool, location.image,
                                 location.snapshot)
    try:
        pool.clones.clone(clones.CloneSpec(parent, name))
        pool.images.remove(name)
    except ceph_errors.CephError as error:
        return Finding('glance-clone-failed', location.pool,
                       _sentence(error))
    return Finding('glance-clone', location.pool, str(location))


def _sentence(error: ceph_errors.CephError) -> str:
    return '; '.join([str(error), *getattr(error, '__notes__', ())])
