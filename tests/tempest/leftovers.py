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

"""What the pools hold, and what of it Cinder and Glance know nothing of."""

from __future__ import annotations

from collections.abc import Iterator
import re
from typing import Any

from sandbox import context
from sandbox import polling
from sandbox import rest
from sandbox import storage

# Golden images outlive their volumes; that is what a cache is for.
CACHED = 'image-cache-'
GLANCE_SNAPSHOT = 'snap'
# Seconds
SETTLED = 20
TRASH = 'trash: '
UNMANAGED = '@snapshot-'
ID = re.compile(r'[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}')


def left(sandbox: context.Context, before: set[str]) -> set[str]:
    """What is unknown that was not before, once nothing changes any more.

    Deleting goes on for a moment after the APIs have said that it is done.
    """
    polling.wait_until(lambda: unknown(sandbox) <= before, SETTLED, 1)
    return unknown(sandbox) - before


def unknown(sandbox: context.Context) -> set[str]:
    """Images, snapshots and trash in the pools that no service accounts for.

    :returns: "pool/image", "pool/image@snapshot" and "pool/trash: name"
    """
    known = _known(rest.Client(sandbox))
    return {f'{pool}/{name}' for pool, name in contents(sandbox)
            if not accounted(name, known)}


def accounted(name: str, known: set[str]) -> bool:
    """Whether a pool may hold this.

    :param name: "image", "image@snapshot" or the same in "trash: "
    :param known: ids of all volumes, snapshots, backups and images
    """
    if name.startswith(TRASH):
        # A snapshot that Cinder was asked to forget, and whose volume was
        # then deleted: both drivers keep it, and so they should.
        return UNMANAGED in name
    if name.startswith(CACHED):
        return True
    image, _, snapshot = name.partition('@')
    part = snapshot if snapshot not in ('', GLANCE_SNAPSHOT) else image
    ids = ID.findall(part)
    return bool(ids) and ids[-1] in known


def contents(sandbox: context.Context) -> Iterator[tuple[str, str]]:
    """All images, snapshots and trash entries as (pool, name)."""
    # The distribution's, and not there before the sandbox is installed.
    import rbd
    with storage.cluster(sandbox).connection() as client:
        for pool in storage.POOLS:
            with client.open_ioctx(pool) as ioctx:
                for name in rbd.RBD().list(ioctx):
                    yield pool, name
                    for snapshot in _snapshots(ioctx, name=name):
                        yield pool, f'{name}@{snapshot}'
                for entry in rbd.RBD().trash_list(ioctx):
                    yield pool, _trashed(ioctx, entry)


def _trashed(ioctx: Any, entry: dict[str, Any]) -> str:
    """An image in the trash, with its last snapshot that has a name."""
    # What Ceph moved to its snapshot trash has got another name.
    named = ['@' + snapshot for snapshot in _snapshots(
        ioctx, image_id=entry['id']) if ('@' + snapshot).startswith(UNMANAGED)]
    return ''.join([TRASH, entry['name'], *named[-1:]])


def _snapshots(ioctx: Any, **image: str) -> list[str]:
    """The names of an image's snapshots; none if it is just deleted."""
    import rbd
    try:
        with rbd.Image(ioctx, **image, read_only=True) as opened:
            return [snapshot['name'] for snapshot in opened.list_snaps()]
    except rbd.ImageNotFound:
        return []


def _known(client: rest.Client) -> set[str]:
    """Ids of what Cinder and Glance have, in all projects."""
    ids: set[str] = set()
    for kind in 'volumes', 'snapshots', 'backups':
        listed = client.volume('GET', f'/{kind}/detail?all_tenants=1')[kind]
        for each in listed:
            ids.add(each['id'])
            # A migrated volume may keep the name of its copy.
            ids.add(each.get('os-vol-mig-status-attr:name_id') or each['id'])
    images = client.image('GET', '/images?limit=1000')
    return ids | {image['id'] for image in images['images']}
