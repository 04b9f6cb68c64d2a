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

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Set
import dataclasses
import json
from typing import Any

from rbd_imgdriver.cache import names
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver.ceph import parts
from rbd_imgdriver.cmd.checks import findings
from rbd_imgdriver.cmd.checks import health
from rbd_imgdriver.cmd.checks import pools
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import locations
from rbd_imgdriver import model
from rbd_imgdriver import trust
from rbd_imgdriver import undo

Finding = findings.Finding

PROBE = 'rbd-imgdriver-probe'

# An address that cannot be parsed: whoever may blocklist clients is answered
# EINVAL, and nothing is blocklisted (prepare_command of OSDMonitor.cc).
_NO_ADDRESS = 'rbd-imgdriver/1'
# What an error says besides that something failed.
FAILED = {
    ceph_errors.NoSpace: 'pool-full',
    ceph_errors.TimedOut: 'osds-unreachable',
    ceph_errors.Disconnected: 'osds-unreachable',
    ceph_errors.PoolNotFound: 'pool-missing',
}
_FAILED = 'probe-failed'
_FORMAT = 'rbd_default_clone_format'


@dataclasses.dataclass(frozen=True)
class Answers:
    """What the monitors say; the answers to the commands of these names."""

    health: Mapping[str, Any]
    osd_dump: Mapping[str, Any]
    df: Mapping[str, Any]


def reachable(pool: parts.Pool) -> Finding:
    """Whether the monitors answer."""
    try:
        fsid = pool.fsid()
        version = json.loads(pool.mon_command('version'))['version']
    except ceph_errors.KeyTooNew as error:
        return Finding('key-too-new', pool.name, str(error))
    except ceph_errors.CephError as error:
        return Finding('cluster-unreachable', pool.name, str(error))
    return Finding('cluster', pool.name, f'{fsid}, {version}')


def asked(pool: parts.Pool) -> Answers:
    """Ask the monitors."""
    return Answers(*(json.loads(pool.mon_command(command))
                  for command in ('health', 'osd dump', 'df')))


def readable(pool: parts.Pool) -> Iterator[Finding]:
    """Why the pool cannot be read; nothing if it can."""
    try:
        pool.directory.exists(PROBE)
    except ceph_errors.PermissionDenied as error:
        yield Finding('pool-forbidden', pool.name, str(error))
    except ceph_errors.CephError as error:
        yield failed(pool.name, error)


def failed(subject: str, error: ceph_errors.CephError,
           code: str = _FAILED) -> Finding:
    """What it means that an operation on a pool failed.

    :param code: what it means if the error does not say it
    """
    return Finding(FAILED.get(type(error), code), subject,
                   undo.explained(error))


def data_pool(pool: parts.Pool, known: Answers) -> Iterator[Finding]:
    """Where new images' data goes, if not into the pool itself."""
    name = pool.data.pool()
    if not name:
        return
    if not pools.exists(name, known.osd_dump):
        yield Finding('data-pool-missing', name,
                      'osd dump does not list it')
        return
    yield Finding('data-pool', name, f'data of images in {pool.name}')
    yield from pools.fullness(name, known.osd_dump, known.df)


def probe(pool: parts.Pool) -> Iterator[Finding]:
    """Make, clone and remove an image."""
    try:
        version = pool.clones.probe(temporary.new_name(PROBE),
                                    names.SNAPSHOT)
    except ceph_errors.CephError as error:
        yield failed(pool.name, error)
        return
    yield Finding('probe', pool.name, f'clones of format {version}')
    if version > 1:
        return
    configured = pool.option(_FORMAT)
    if configured == '1':
        yield Finding('clone-format-set', pool.name, f'{_FORMAT} = 1')
    else:
        yield Finding('clone-format-1', pool.name,
                      'a snapshot has to be protected to be cloned')


def caps(pool: parts.Pool) -> Iterator[Finding]:
    """Rights that the user has and no driver needs, and the other way round.

    A user of the profile ``rbd`` may not list the others.
    """
    if _may(pool.mon_command, 'auth ls'):
        yield Finding('caps-wide', pool.name, 'it may list all keys')
    if not _may(pool.mon_command, 'osd blocklist', blocklistop='add',
                addr=_NO_ADDRESS):
        yield Finding('monitor-caps', pool.name,
                      '"osd blocklist add" is refused')


def manager(pool: parts.Pool) -> Iterator[Finding]:
    """Whether the manager answers our user.

    The monitors miss a manager after half a minute only, and librados waits
    for one as long as it may: so it is not asked where they miss it.
    """
    try:
        seen = json.loads(pool.mon_command('health'))
        if health.manager_is_up(seen) and not _may(
                pool.mgr_command, 'rbd task list'):
            yield Finding('manager-caps', pool.name,
                          '"rbd task list" is refused')
    except ceph_errors.TimedOut as error:
        yield Finding('manager-down', pool.name, str(error))
    except ceph_errors.CephError:
        return  # the check of the pool says why


def _may(ask: Callable[..., str], command: str, **arguments: str) -> bool:
    try:
        ask(command, **arguments)
    except ceph_errors.PermissionDenied:
        return False
    except ceph_errors.TimedOut:
        raise
    except ceph_errors.CephError:
        return command != 'auth ls'  # it was allowed, and failed
    return True


def settings(pool: parts.Pool) -> Iterator[Finding]:
    """How images are made, and what the pool holds."""
    yield from pools.features(pool.name, pool.option('rbd_default_features'))
    yield from pools.snapshots(pool.snapshots.counts())
    trashed = pool.trash.entries()
    if trashed:
        yield Finding('trash', pool.name, f'{len(trashed)} images')
    intervals = pool.trash.purge_intervals()
    if intervals:
        yield Finding('trash-schedule', pool.name,
                      f'every {", ".join(intervals)}')


def glance_clone(pool: parts.Pool, images: list[model.Image],
                 volume_pools: Set[str], known: Answers) -> Iterator[Finding]:
    """Clone an image of Glance, and remove the clone.

    :param volume_pools: names of the pools that hold volumes
    """
    elsewhere = []
    for image in images:
        if not image.raw:
            continue
        for found in trust.rbd_locations(image, pool.fsid, volume_pools):
            if isinstance(found, locations.RbdLocation):
                # A clone is noted at its parent, too.
                full = list(pools.fullness(found.pool, known.osd_dump,
                                           known.df))
                yield from full
                if not any(one.code == 'pool-full' for one in full):
                    yield _try(pool, found)
                return
            if found.code == 'wrong-cluster':
                elsewhere.append(image.id)
    if elsewhere:
        yield Finding('glance-elsewhere', pool.name,
                      f'for example image {elsewhere[0]}')
    else:
        yield Finding('glance-clone-untested', pool.name,
                      f'{len(images)} images were looked at')


def _try(pool: parts.Pool, location: locations.RbdLocation) -> Finding:
    name = temporary.new_name(PROBE)
    try:
        pool.clones.clone(clones.CloneSpec(
            clones.SnapshotSpec.at(location), name, id_key=temporary.MARK))
        pool.images.remove(name)
    except ceph_errors.CephError as error:
        return failed(location.pool, error, 'glance-clone-failed')
    return Finding('glance-clone', location.pool, str(location))
