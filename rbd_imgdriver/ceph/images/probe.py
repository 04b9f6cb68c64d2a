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
"""Find out what we may do by doing it, and leave nothing.
"""

import contextlib
from typing import Any

import rbd

from rbd_imgdriver.ceph import errors

_SIZE = 4 * 1024 ** 2
_SNAPSHOT = 'probe'


def clones(ioctx: Any, name: str, features: int) -> int:
    """Make an image, clone it, and remove both.

    :param name: for the image; the clone has the same with an ending
    :returns: the format of clones, 1 or 2
    :raises errors.CephError: when any step fails
    """
    client = rbd.RBD()
    child = name + '-clone'
    with errors.translated(f'probe {name}'), contextlib.ExitStack() as undo:
        client.create(ioctx, name, _SIZE, 22, old_format=False,
                      features=features)
        undo.callback(client.remove, ioctx, name)
        with rbd.Image(ioctx, name) as image:
            image.create_snap(_SNAPSHOT)
        undo.callback(_remove_snapshot, ioctx, name)
        version = 2
        try:
            client.clone(ioctx, name, _SNAPSHOT, ioctx, child, features)
        except rbd.InvalidArgument:
            version = 1
            with rbd.Image(ioctx, name) as image:
                image.protect_snap(_SNAPSHOT)
            client.clone(ioctx, name, _SNAPSHOT, ioctx, child, features)
        client.remove(ioctx, child)
    return version


def _remove_snapshot(ioctx: Any, name: str) -> None:
    with rbd.Image(ioctx, name) as image:
        if image.is_protected_snap(_SNAPSHOT):
            image.unprotect_snap(_SNAPSHOT)
        image.remove_snap(_SNAPSHOT)
