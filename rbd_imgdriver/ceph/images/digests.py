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
"""The digest of what a snapshot holds.

Runs in a native thread; see :class:`rbd_imgdriver.ceph.pool.Pool`.
"""

from collections.abc import Callable
import hashlib
from typing import Any

import rbd

from rbd_imgdriver.ceph import errors

_CHUNK = 8 * 1024 ** 2


def digest(ioctx: Any, image: str, snapshot: str, algorithm: str, length: int,
           advance: Callable[[int], None]) -> str:
    """The hexadecimal digest of the first ``length`` bytes of a snapshot.

    :param algorithm: a name that :mod:`hashlib` knows
    :param advance: told how many bytes are done; must not log
    :raises errors.ImageNotFound: when there is no such snapshot
    """
    found = hashlib.new(algorithm, usedforsecurity=False)
    with errors.translated(f'data of {image}@{snapshot}'), \
            rbd.Image(ioctx, image, snapshot=snapshot,
                      read_only=True) as opened:
        for offset in range(0, length, _CHUNK):
            data = opened.read(offset, min(_CHUNK, length - offset))
            found.update(data)
            advance(offset + len(data))
    return found.hexdigest()
