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
"""Killed at each step of a fill: a whole entry or none, and no remains."""

from concurrent import futures
import dataclasses
import hashlib
import json
import pathlib
import signal
import subprocess
import sys
import uuid

from rbd_imgdriver.cache import names
from rbd_imgdriver.ceph.images import clones
from rbd_imgdriver import model
from tests.functional.cache import mortal

ROOT = pathlib.Path(__file__).parents[3]


def image_of(path):
    data = path.read_bytes()
    return model.Image(
        id=str(uuid.uuid4()), disk_format='raw', container_format='bare',
        size=len(data), hash_algo='sha512',
        hash_value=hashlib.sha512(data).hexdigest())


def kill_at(step, cluster, image, path):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-m',
         'tests.functional.cache.mortal', json.dumps({
             'step': step, 'conf': str(cluster.conf('cinder')),
             'path': str(path), 'image': dataclasses.asdict(image)})],
        cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL, step


def test_killed_at_each_step(cluster, pool, store, disk, contents,
                             sweep_until):
    images = {step: image_of(disk) for step in mortal.STEPS}
    for step, image in images.items():
        kill_at(step, cluster, image, disk)

    # What is published is whole; only after the last step it is.
    whole = {one.name for one in store.entries()}
    assert whole == {names.golden(images['renamed'])}

    # Survivors take over within 30 seconds, all at once here.
    filler = mortal.filler(pool, str(disk.parent))
    with futures.ThreadPoolExecutor(len(images)) as threads:
        filled = dict(zip(images, threads.map(
            lambda image: filler.fill(mortal.wish(image, disk)),
            images.values()), strict=True))
    for step, one in filled.items():
        assert one.imported == (step != 'renamed'), step
        pool.clones.clone(clones.CloneSpec(store.snapshot(one.golden),
                                           f'volume-{step}'))
    assert {one.name for one in store.entries()} == {
        names.golden(image) for image in images.values()}

    sweep_until(lambda: not [name for name in contents()[0]
                             if name.startswith('.')])
