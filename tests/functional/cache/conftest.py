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
"""Processes that create volumes, and the cache as it is in the cluster."""

import dataclasses
import json
import pathlib
import subprocess
import sys
import uuid

import pytest
import rbd

from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.cache import sweep
from sandbox import polling
from tests.functional import host

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture
def store(pool):
    """The cache of the pool ``volumes``."""
    return cache_store.Store(pool)


@pytest.fixture
def sweep_until(store):
    """Sweeps until something is so.

    Ceph remembers a dead client's watch for half a minute, and so long the
    sweep takes the client for alive.
    """
    def sweep_until(condition) -> None:
        def swept() -> bool:
            sweep.Sweep(store, lambda image_id: True).run()
            return condition()

        assert polling.wait_until(swept, 120, interval=1)

    return sweep_until


@dataclasses.dataclass
class Service:
    """A running process of tests/functional/service_process.py."""

    process: subprocess.Popen

    def start(self) -> None:
        self.process.stdin.write('go\n')
        self.process.stdin.flush()

    def lines(self) -> list[dict]:
        """All that it said, once it has ended by itself."""
        out, _ = self.process.communicate(timeout=120)
        assert self.process.returncode == 0
        return [json.loads(line) for line in out.splitlines()]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def spawn(cluster, pool, tmp_path):
    """Start a process that will create volumes on request."""
    spawned = []

    def start(meta: dict, path: pathlib.Path, count: int = 1,
              **facts) -> Service:
        wanted = {'conf': str(cluster.conf('cinder')), 'pool': 'volumes',
                  'state': str(tmp_path / f'state{len(spawned)}'),
                  'meta': meta, 'path': str(path),
                  'volumes': [str(uuid.uuid4()) for _ in range(count)],
                  **facts}
        process = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-m',
             'tests.functional.service_process', json.dumps(wanted)],
            cwd=ROOT, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        spawned.append(process)
        assert json.loads(process.stdout.readline()) == {'ready': True}
        return Service(process)

    yield start
    for process in spawned:
        process.kill()
        process.wait()


@pytest.fixture
def meta(qcow2):
    return host.image_meta(qcow2, 'qcow2')


@pytest.fixture
def children(admin):
    """The volumes that hang on an image's golden image."""
    def of(golden: str) -> list[str]:
        with admin.open_ioctx('volumes') as ioctx, \
                rbd.Image(ioctx, golden, snapshot='image') as image:
            return sorted(name for _, name in image.list_children())

    return of
