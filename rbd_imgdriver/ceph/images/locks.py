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
"""librbd's exclusive lock of an image, where librbd could not give it back.

Giving it back is a write, which a full pool does not answer.  What is left
keeps our own client from removing the image; any other client would break
the lock and have ours blocklisted.

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

from typing import Any

import rbd

from rbd_imgdriver.ceph.wire import header

_LOCK = 'rbd_lock'  # RBD_LOCK_NAME in src/cls/rbd/cls_rbd_types.h


def drop_own(ioctx: Any, image: str, client: int) -> bool:
    """Drop locks that our client holds on an image that it has not open.

    :param client: our client's global id
    :returns: whether there was one
    :raises rbd.Error: when Ceph refuses
    """
    with rbd.Image(ioctx, image, read_only=True) as opened:
        if any(True for _ in opened.watchers_list()):
            return False
        own = [cookie for holder, cookie, _ in
               (opened.list_lockers() or {}).get('lockers', ())
               if holder == f'client.{client}']
    name = f'rbd_header.{header.image_id(ioctx, image)}'
    for cookie in own:
        ioctx.unlock(name, _LOCK, cookie)
    return bool(own)
