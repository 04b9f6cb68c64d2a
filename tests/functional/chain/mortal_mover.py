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
"""Moves an image to another pool and dies on the way.

Arguments: ceph.conf, pool, image, other pool, and where to die:
``<call>-before`` or ``<call>-after``, where a call is one of librbd's; or
when the copy has its name (``named``), or can be opened (``opened``).
"""

import contextlib
import os
import signal
import sys
import threading
import time

import rbd

CONF, POOL, IMAGE, OTHER, WHERE = sys.argv[1:6]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(where: str) -> None:
    if where == WHERE:
        die()


def mortal(owner: type, name: str):
    """A method of librbd's with the moment of death around it."""
    def call(self, *args, **kwargs):
        die_at(f'{name}-before')
        result = getattr(owner, name)(self, *args, **kwargs)
        die_at(f'{name}-after')
        return result

    return call


class RBD(rbd.RBD):
    """librbd's."""

    trash_move = mortal(rbd.RBD, 'trash_move')
    trash_remove = mortal(rbd.RBD, 'trash_remove')


class Image(rbd.Image):
    """librbd's."""

    remove_snap = mortal(rbd.Image, 'remove_snap')
    whole_copy = mortal(rbd.Image, 'deep_copy')

    def deep_copy(self, target, name, **kwargs):
        if WHERE in APPEARED:
            threading.Thread(target=die_with, args=(target, name),
                             daemon=True).start()
        self.whole_copy(target, name, **kwargs)


def die_with(target, name: str) -> None:
    """Die as soon as there is something of the copy."""
    while not APPEARED[WHERE](target, name):
        time.sleep(0.001)
    die()


def is_named(target, name: str) -> bool:
    return name in rbd.RBD().list(target)


def is_open(target, name: str) -> bool:
    with contextlib.suppress(rbd.Error), \
            rbd.Image(target, name, read_only=True):
        return True
    return False


APPEARED = {'named': is_named, 'opened': is_open}


def main() -> None:
    from rbd_imgdriver.ceph import connection
    from rbd_imgdriver.ceph import pool as ceph_pool
    from rbd_imgdriver.chain import chains

    rbd.RBD, rbd.Image = RBD, Image
    pool = ceph_pool.Pool(connection.cluster(
        connection.ClusterSpec('ceph', CONF, 'cinder')), POOL)
    chains.Chains(pool, chains.Options()).move(IMAGE, OTHER)


main()
