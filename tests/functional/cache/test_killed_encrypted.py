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
"""Killed at each step of an encrypted volume: nothing readable, no remains."""

from concurrent import futures
import dataclasses
import json
import pathlib
import secrets
import signal
import subprocess
import sys
import time
import uuid

import pytest
import rbd

from rbd_imgdriver.cache import sweep
from rbd_imgdriver import model
from sandbox import polling
from tests.functional.cache import mortal_encrypted
from tests.functional import encryption
from tests.functional.importer.conftest import image_of

ROOT = pathlib.Path(__file__).parents[3]
PLAIN = b'\xeb\x63\x90begin'  # what the disk is full of


@pytest.fixture
def image(qcow2):
    return image_of(qcow2, 'qcow2')


@pytest.fixture
def killed_at(cluster, image, qcow2):
    """Make a volume, and be killed at a step of it."""
    def kill(step: tuple[str, str, int], volume: str,
             passphrases: dict[str, str], of: model.Image = image) -> None:
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m',
             'tests.functional.cache.mortal_encrypted', json.dumps({
                 'step': step, 'conf': str(cluster.conf('cinder')),
                 'path': str(qcow2), 'image': dataclasses.asdict(of),
                 'volume': volume, 'passphrases': passphrases})],
            cwd=ROOT, check=False)
        assert done.returncode == -signal.SIGKILL, step

    return kill


@pytest.fixture
def make(pool, image, qcow2):
    """Make a volume and survive."""
    def made(volume: str, passphrases: dict[str, str],
             of: model.Image = image):
        return mortal_encrypted.clones(pool, str(qcow2.parent)).make(
            mortal_encrypted.wanted(of, qcow2, volume, passphrases))

    return made


@pytest.fixture
def held(admin):
    """What each image of the pool holds where data of the disk may be."""
    def contents() -> dict[str, bytes]:
        found = {}
        with admin.open_ioctx('volumes') as ioctx:
            for name in rbd.RBD().list(ioctx):
                with rbd.Image(ioctx, name, read_only=True) as opened:
                    found[name] = opened.read(
                        0, min(opened.size(), 32 * 2**20))
        return found

    return contents


@pytest.fixture
def swept(store, contents):
    """Sweeps, an hour later, until no partial image is left.

    Ceph remembers a dead client's watch for half a minute.
    """
    def sweep_all() -> None:
        def clean() -> bool:
            sweep.Sweep(store, lambda _: True,
                        clock=lambda: time.time() + 3600).run()
            return not [name for name in contents()[0]
                        if name.startswith('.')]

        assert polling.wait_until(clean, 240, interval=1)

    return sweep_all


def volumes_of(steps) -> dict[str, str]:
    return {f'volume-{step}': secrets.token_hex(32) for step in steps}


def test_killed_while_an_entry_is_cloned(
        admin, tmp_path, disk, killed_at, make, held, contents, swept):
    steps = mortal_encrypted.CLONED
    passphrases = volumes_of(['first', *steps])
    make('volume-first', passphrases)

    for step, operation in steps.items():
        killed_at(operation, f'volume-{step}', passphrases)

    # A volume that has its name is whole.
    data = disk.read_bytes()
    whole = {name for name in held() if name.startswith('volume-')}
    assert whole == {'volume-first', 'volume-renamed', 'volume-unmarked'}
    for name in whole:
        assert encryption.opened(admin, tmp_path, name, passphrases[name],
                                 len(data)) == data
    assert not [name for name, found in held().items() if PLAIN in found]
    swept()
    assert {name for name in contents()[0]
            if name.startswith('volume-')} == whole


def test_killed_while_the_first_is_made(
        admin, tmp_path, disk, image, killed_at, make, held, swept):
    steps = mortal_encrypted.IMPORTED
    images = {step: dataclasses.replace(image, id=str(uuid.uuid4()))
              for step in steps}
    passphrases = volumes_of([*steps, *(f'next-{step}' for step in steps)])

    for step, operation in steps.items():
        killed_at(operation, f'volume-{step}', passphrases, images[step])

    found = held()
    assert not [name for name in found if PLAIN in found[name]]
    assert [name for name in found if name.startswith('volume-')] == [
        'volume-volume-renamed']
    entries = [name for name in found if name.startswith('image-cache-')]
    assert len(entries) == len(steps) - list(steps).index('published')
    for name in entries:  # nobody can open it
        assert not any(found[name][:4096])

    # The next volumes are whole, whatever was left, and no remains stay.
    with futures.ThreadPoolExecutor(len(steps)) as threads:
        made = dict(zip(steps, threads.map(
            lambda step: make(f'volume-next-{step}', passphrases,
                              images[step]), steps), strict=True))
    data = disk.read_bytes()
    for step, one in made.items():
        name = f'volume-next-{step}'
        assert one.imported == (step != 'volume-renamed'), step
        assert encryption.opened(admin, tmp_path, name, passphrases[name],
                                 len(data)) == data, step
    swept()
