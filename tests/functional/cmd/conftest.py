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
"""The command as a real process, with a cinder.conf of its own."""

from collections.abc import Iterator
import dataclasses
import json
import pathlib
import shutil
import sqlite3
import subprocess
import sys
from typing import Any

import pytest
import rados
import rbd

from rbd_imgdriver.cache import names
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from tests.functional.cmd import glance as fake_glance
from tests.functional.cmd import prepared


@dataclasses.dataclass
class Manage:
    """Runs ``rbd-imgdriver-manage``."""

    conf: pathlib.Path
    starter: prepared.Starter | prepared.Fresh

    def run(self, *words: str) -> subprocess.CompletedProcess:
        return self.starter.run(*words, '--config-file', str(self.conf))

    def json(self, *words: str, code: int | None = 0) -> Any:
        """The JSON that it prints, after it ended with ``code``."""
        done = self.run(*words, '--format', 'json')
        assert code in (None, done.returncode), done.stderr + done.stdout
        return json.loads(done.stdout)


@pytest.fixture
def glance(tmp_path_factory) -> Iterator[fake_glance.Glance]:
    images = tmp_path_factory.mktemp('glance')
    with fake_glance.Glance(images).serving() as server:
        yield server


@pytest.fixture(scope='session')
def starter() -> Iterator[prepared.Starter]:
    with prepared.starter() as started:
        yield started


@pytest.fixture
def manage(cluster, pool, glance, starter, tmp_path: pathlib.Path) -> Manage:
    conf = tmp_path / 'cinder.conf'
    (tmp_path / 'conversion').mkdir()
    conf.write_text(f'''
[DEFAULT]
enabled_backends = ours, theirs
state_path = {tmp_path}
image_conversion_dir = {tmp_path}/conversion
auth_strategy = noauth
glance_api_servers = {glance.url}
glance_num_retries = 0
[ours]
volume_driver = rbd_imgdriver.driver.RBDImageDriver
rbd_ceph_conf = {cluster.conf('cinder')}
rbd_user = cinder
rbd_pool = volumes
image_volume_cache_enabled = true
[theirs]
volume_driver = cinder.volume.drivers.rbd.RBDDriver
''')
    return Manage(conf, starter)


@pytest.fixture
def fresh(manage) -> Manage:
    """The same, whose commands start as operators start them."""
    return dataclasses.replace(manage, starter=prepared.Fresh())


@pytest.fixture(scope='session')
def schema(tmp_path_factory) -> pathlib.Path:
    """An empty Cinder database."""
    directory = tmp_path_factory.mktemp('database')
    conf = directory / 'cinder.conf'
    database = directory / 'cinder.sqlite'
    conf.write_text(f'[database]\nconnection = sqlite:///{database}\n'
                    f'[DEFAULT]\nstate_path = {directory}\n')
    manage = pathlib.Path(sys.executable).with_name('cinder-manage')
    subprocess.run([manage, '--config-file', conf, 'db', 'sync'], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return database


@pytest.fixture
def database(manage, schema, tmp_path) -> pathlib.Path:
    """The database that the command reads."""
    path = tmp_path / 'cinder.sqlite'
    shutil.copy(schema, path)
    with manage.conf.open('a') as file:
        file.write(f'[database]\nconnection = sqlite:///{path}\n')
    return path


@pytest.fixture
def knows(database):
    """Tells Cinder's database of a volume."""
    def tell(volume_id: str, status: str, name_id: str | None = None,
             name: str | None = None) -> None:
        with sqlite3.connect(database) as connection:
            connection.execute(
                'INSERT INTO volumes (id, _name_id, status, display_name, '
                'deleted, size, '
                'use_quota, shared_targets, volume_type_id) '
                'VALUES (?, ?, ?, ?, 0, 1, 1, 0, '
                '(SELECT id FROM volume_types LIMIT 1))',
                (volume_id, name_id, status, name))

    return tell


@pytest.fixture
def doctor(manage, database, pool, contents):
    """Runs it; returns the findings by code, and leaves the pool alone."""
    def run(*words: str, code: int | None,
            timeout: int = 100) -> dict[str, dict]:
        before = contents(), contents('images')
        found = manage.json('doctor', '--all', '--timeout', str(timeout),
                            *words, code=code)
        assert (contents(), contents('images')) == before, found
        return {one['code']: one for one in found}

    return run


@pytest.fixture
def store(pool) -> cache_store.Store:
    return cache_store.Store(pool)


@pytest.fixture
def golden(admin: rados.Rados, glance, store):
    """Puts an image of Glance into the cache, without the importer.

    :param data: what the golden image holds, if not what Glance has
    """
    def make(data: bytes = b'golden' * 100000, /, *, holds=None,
             at: float | None = None, **facts) -> str:
        id_ = glance.add(data, **facts)
        answer = glance.facts(id_)
        image = model.Image(
            id_, name=answer['name'], disk_format='raw',
            container_format='bare', size=len(data), hash_algo='sha512',
            hash_value=answer['os_hash_value'])
        name = names.golden(image)
        partial = temporary.new_name(name)
        store.pool.images.create(partial, model.GIB, 22)
        with admin.open_ioctx('volumes') as ioctx, \
                rbd.Image(ioctx, partial) as opened:
            opened.write(data if holds is None else holds, 0)
        used = store if at is None else cache_store.Store(store.pool,
                                                          clock=lambda: at)
        used.publish(partial, name, image)
        return name

    return make


@pytest.fixture
def clone_of(admin: rados.Rados):
    """Makes a volume of a golden image."""
    def make(golden_name: str, volume: str) -> None:
        with admin.open_ioctx('volumes') as ioctx:
            rbd.RBD().clone(ioctx, golden_name, names.SNAPSHOT, ioctx, volume,
                            features=61)

    return make
