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
"""Metadata and names that other tools have put into the pool.

Ceph takes any bytes, of any length.
"""

import subprocess

import pytest

from rbd_imgdriver.ceph.wire import encoding
from tests.functional import host

NOT_UTF8 = b'caf\xe9'


@pytest.fixture
def clone_format() -> int:
    return 2


@pytest.fixture
def volume(driver, disks):
    made = host.volume()
    driver.create_volume(made)
    disks.write(made.name, 0, 'A')
    return made


@pytest.fixture
def rbd(conf):
    """The command, which takes any bytes."""
    def run(*words: str | bytes) -> bytes:
        return subprocess.run(['rbd', '-c', conf, '--id', 'cinder', *words],
                              check=True, stdout=subprocess.PIPE).stdout

    return run


@pytest.mark.parametrize(('count', 'length'), [
    (1, 70_000), (1, 1_000_000), (130, 1100), (70, 100_000)])
def test_metadata_of_any_length(driver, disks, volume, count, length):
    values = {f'note{number}': 'x' * length for number in range(count)}
    with disks.open(volume.name, read_only=False) as image:
        for key, value in values.items():
            image.metadata_set(key, value)

    clone = host.volume()
    driver.create_cloned_volume(clone, volume)

    assert disks.text(clone.name, 0) == 'A' * 16
    with disks.open(clone.name) as image:
        assert image.metadata_get('note0') == values['note0']
    found = driver._pool.headers.metadata(volume.name)
    assert {key: found[key] for key in values} == values


def test_metadata_that_are_not_utf8(driver, disks, volume, rbd):
    rbd('image-meta', 'set', f'volumes/{volume.name}', 'note', NOT_UTF8)
    rbd('image-meta', 'set', f'volumes/{volume.name}', NOT_UTF8, 'note')

    clone = host.volume()
    driver.create_cloned_volume(clone, volume)

    assert disks.text(clone.name, 0) == 'A' * 16
    get = ('image-meta', 'get', f'volumes/{clone.name}')
    assert rbd(*get, 'note') == NOT_UTF8 + b'\n'
    assert rbd(*get, NOT_UTF8) == b'note\n'


def test_our_keys_are_not_inherited_beside_such_keys(driver, volume, rbd):
    """The page that has them also has what is ours."""
    image = f'volumes/{volume.name}'
    rbd('image-meta', 'set', image, NOT_UTF8, 'note')
    rbd('image-meta', 'set', image, b'rbd-imgdriver/\xe9', 'parent')
    clone = host.volume()
    driver.create_cloned_volume(clone, volume)
    assert b'parent' not in rbd('image-meta', 'list', f'volumes/{clone.name}')


def test_names_that_are_not_utf8(driver, volume, rbd, pool):
    """An image, one in the trash, and a snapshot of a volume."""
    for name in (NOT_UTF8, b'trashed-' + NOT_UTF8):
        rbd('create', '--size', '1M', b'volumes/' + name)
    rbd('trash', 'mv', b'volumes/trashed-' + NOT_UTF8)
    rbd('snap', 'create', f'volumes/{volume.name}@'.encode() + NOT_UTF8)
    try:
        driver._chains.resume()
        driver._backend.sweep(lambda _: True)
        assert len(pool.directory.ids()) == len(pool.snapshots.counts()) == 2
        assert len(pool.trash.entries()) == 1
        clone = host.volume()
        driver.create_cloned_volume(clone, volume)
        driver.delete_volume(clone)
        driver.delete_volume(volume)
        # Somebody's snapshot keeps the volume in the trash.
        assert len(pool.trash.entries()) == 2
        assert [encoding.to_bytes(name)
                for name in pool.directory.ids()] == [NOT_UTF8]
    finally:
        for line in rbd('trash', 'ls', 'volumes').splitlines():
            id_ = line.split()[0].decode()
            rbd('snap', 'purge', '--no-progress', '--image-id', id_,
                '--pool', 'volumes')
            rbd('trash', 'rm', '--no-progress', f'volumes/{id_}')
        rbd('rm', '--no-progress', b'volumes/' + NOT_UTF8)
