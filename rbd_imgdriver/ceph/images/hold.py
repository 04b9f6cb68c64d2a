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
"""Showing that an image is in use.

Whoever has an image open for writing watches its header.  Everybody sees
that, and librbd removes no image that somebody watches.  A client that dies
is forgotten after ``osd_client_watch_timeout`` (30 s).  Only holding takes no
exclusive lock: others may write.

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

import contextlib
from typing import Any

import rbd

from rbd_imgdriver.ceph import client as ceph_client
from rbd_imgdriver.ceph import errors


class Hold:
    """An image that is kept open.

    :param ioctx: of the image's pool
    :param image: its name
    :param client_hold: keeps the client until the image is closed
    """

    def __init__(self, ioctx: Any, image: str,
                 client_hold: ceph_client.Hold) -> None:
        with contextlib.ExitStack() as opened:
            opened.callback(client_hold.release)
            opened.enter_context(errors.translated(f'opening of {image}'))
            opened.enter_context(rbd.Image(ioctx, image))
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Let the image go; blocks.

        An image that cannot be closed, because its client is gone, is held
        by nobody either.
        """
        with contextlib.suppress(errors.CephError):
            self._opened.close()
