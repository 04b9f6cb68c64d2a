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
"""What is left in a pool, down to RADOS objects and omap keys."""

from collections.abc import Iterator
from typing import Any

import rados
import rbd

# Objects that a pool of RBD images has, whatever it holds.
_OF_THE_POOL = {'rbd_directory', 'rbd_info', 'rbd_trash', 'rbd_children',
                'rbd_mirroring', 'rbd-imgdriver.leases'}
_MOST = 10000


def images(admin: Any, pool: str) -> list[str]:
    """Images, also those in the trash."""
    with admin.open_ioctx(pool) as ioctx:
        return [f'{pool}/{name}' for name in rbd.RBD().list(ioctx)] + [
            f'{pool}/{one["name"]} in the trash ({_kept_by(ioctx, one)})'
            for one in rbd.RBD().trash_list(ioctx)]


def _kept_by(ioctx: Any, trashed: dict[str, Any]) -> str:
    """What may keep an image in the trash, for those who have to find out."""
    try:
        with rbd.Image(ioctx, image_id=trashed['id'], read_only=True) as image:
            return '; '.join([
                f'watchers: {len(list(image.watchers_list()))}',
                *(f'snapshot: {one["name"]}' for one in image.list_snaps()),
                *(f'clone: {one["image"] or one["id"]}'
                  for one in image.list_children2())])
    except rbd.Error as error:
        return str(error)


def objects(admin: Any, pool: str) -> list[str]:
    """Objects, keys and leases in a pool without images."""
    with admin.open_ioctx(pool) as ioctx:
        return [f'{pool}: {one}' for one in _objects(ioctx)]


def _objects(ioctx: Any) -> Iterator[str]:
    for one in ioctx.list_objects():
        # An empty shared object shows its version and nothing else.
        if (one.key not in _OF_THE_POOL
                and not one.key.startswith('rbd-imgdriver.')):
            yield f'object {one.key}'
        else:
            for key in omap_keys(ioctx, one.key):
                yield f'key {key} of {one.key}'
    for name in leases(ioctx):
        yield f'lease {name}'


def omap_keys(ioctx: Any, name: str) -> list[str]:
    """The keys of an object's omap."""
    with rados.ReadOpCtx() as op:
        pairs, _ = ioctx.get_omap_vals(op, '', '', _MOST)
        try:
            ioctx.operate_read_op(op, name)
        except rados.ObjectNotFound:
            return []
        return [key for key, _ in pairs]


def leases(ioctx: Any) -> list[str]:
    """The names of leases that somebody has, or had until they expired."""
    try:
        return [key.removeprefix('lock.') for key, _
                in ioctx.get_xattrs('rbd-imgdriver.leases')
                if key.startswith('lock.')]
    except rados.ObjectNotFound:
        return []


def clones(admin: Any, pool: str) -> list[str]:
    """Snapshots of Glance that still have clones, or are not Glance's."""
    found = []
    with admin.open_ioctx(pool) as ioctx:
        for name in rbd.RBD().list(ioctx):
            with rbd.Image(ioctx, name, read_only=True) as image:
                found += [f'{pool}/{name}@{one["name"]}'
                          for one in image.list_snaps()
                          if one['name'] != 'snap']
                found += [f'{pool}/{name} has clone {child}'
                          for child in image.list_children2()]
    return found
