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
"""Flattens an image and dies on the way, as a killed cinder-volume does.

Arguments: ceph.conf, pool, image, where to die, and by which signal (KILL;
STOP: it stands still instead): ``<call>-before`` or
``<call>-after``, where a call is one of librbd's: ``update_features(off)``,
``flatten``, ``update_features(on)`` or ``rebuild_object_map``; or ``flatten``
alone, for its middle.
"""

import os
import signal
import sys

import rbd

CONF, POOL, IMAGE = sys.argv[1:4]
# Once: what stood still and goes on must not stop where nobody sees it.
PENDING = {sys.argv[4]}
SIGNAL = getattr(signal, f'SIG{"".join(sys.argv[5:]) or "KILL"}')


def die_at(where: str) -> None:
    if where in PENDING:
        PENDING.remove(where)
        os.kill(os.getpid(), SIGNAL)


class Image(rbd.Image):
    """librbd's, with the moment of death in it."""

    def update_features(self, features, enabled):
        call = f'update_features({"on" if enabled else "off"})'
        die_at(f'{call}-before')
        super().update_features(features, enabled)
        die_at(f'{call}-after')

    def flatten(self, on_progress=None):
        def progress(done, total):
            if done * 2 > total:
                die_at('flatten')
            return on_progress(done, total)

        die_at('flatten-before')
        super().flatten(on_progress=progress)
        die_at('flatten-after')

    def rebuild_object_map(self):
        die_at('rebuild_object_map-before')
        super().rebuild_object_map()
        die_at('rebuild_object_map-after')


def main() -> None:
    from rbd_imgdriver.ceph import connection
    from rbd_imgdriver.ceph.images import flatten as ceph_flatten
    from rbd_imgdriver.ceph import pool as ceph_pool
    from rbd_imgdriver.chain import flatten
    from rbd_imgdriver.chain import intents
    from rbd_imgdriver.chain import names

    pool = ceph_pool.Pool(connection.cluster(
        connection.ClusterSpec('ceph', CONF, 'cinder')), POOL)
    id_ = pool.directory.id(IMAGE)
    intent = intents.Intent(id_, pool.ancestry.parent(id_))
    pool.headers.update_id(id_, {intents.KEY: intents.value(intent)})
    rbd.Image = Image
    flatten.run(pool, id_, ceph_flatten.Progress(), names.Names())


if __name__ == '__main__':
    main()
