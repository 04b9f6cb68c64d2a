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
"""leaks: what drivers have left, found and removed by the real command."""

import pathlib
import uuid

from cinder.volume.drivers import rbd as cinder_rbd
import pytest
import rbd

from tests.functional import host

BOTH_FORMATS = pytest.mark.parametrize('clone_format', [1, 2],
                                       ids=['v1', 'v2'])


@pytest.fixture
def clone_format() -> int:
    """The format of clones, where it does not matter."""
    return 2


@pytest.fixture
def intree(clone_format, cluster, pool, tmp_path):
    """Cinder's driver."""
    conf = tmp_path / 'ceph.conf'
    text = pathlib.Path(cluster.conf('cinder')).read_text()
    conf.write_text(f'{text}\n[client]\n'
                    f'rbd default clone format = {clone_format}\n')
    return host.make(cluster, 'volumes', cls=cinder_rbd.RBDDriver,
                     rbd_ceph_conf=str(conf))


def leave(driver, generations: int) -> list:
    """A chain of clones, all deleted: what Cinder's driver leaves of it."""
    volumes = [host.volume()]
    driver.create_volume(volumes[0])
    for _ in range(generations - 1):
        volumes.append(host.volume())
        driver.create_cloned_volume(volumes[-1], volumes[-2])
    for volume in volumes:
        driver.delete_volume(volume)
    return volumes


def write(admin, name: str, text: bytes) -> None:
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, name) as image:
        image.write(text, 0)


def test_nothing_is_left(manage, database):
    assert manage.json('leaks', 'repair') == []


@BOTH_FORMATS
def test_a_chain_that_cinders_driver_left(manage, database, intree, contents):
    leave(intree, 4)
    assert len(contents()[0]) == 3, 'Cinder has been mended'
    found = manage.json('leaks', 'list', code=6)
    assert all(one['safe'] for one in found)
    assert {one['kind'] for one in found} == {'clone-snapshot',
                                              'deleted-volume'}
    assert manage.json('leaks', 'repair', '--dry-run') \
        == [{'kind': one['kind'], 'name': one['name'], 'size': one['size'],
             'result': 'would be removed', 'reason': ''} for one in found]
    assert len(contents()[0]) == 3
    removed = manage.json('leaks', 'repair', '--rate', '50')
    assert {one['result'] for one in removed} == {'removed'}
    assert contents() == ([], [])


@BOTH_FORMATS
def test_a_snapshot_on_a_living_source(manage, database, intree, admin,
                                       contents):
    source, clone = host.volume(), host.volume()
    intree.create_volume(source)
    write(admin, source.name, b'old' * 1000)
    intree.create_cloned_volume(clone, source)
    write(admin, source.name, b'new' * 1000)
    assert manage.json('leaks', 'list') == []
    intree.delete_volume(clone)
    (found,) = manage.json('leaks', 'list', code=6)
    assert found == {'kind': 'clone-snapshot', 'safe': True,
                     'name': f'{source.name}@{clone.name}.clone_snap',
                     'size': 4 * 2**20, 'reason': 'it has no clones'}
    (removed,) = manage.json('leaks', 'repair')
    assert removed['result'] == 'removed'
    assert contents() == ([source.name], [])
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, source.name) as image:
        assert list(image.list_snaps()) == []
        assert image.read(0, 3) == b'new'


@BOTH_FORMATS
def test_what_a_volume_needs_stays(manage, database, intree, contents):
    source, clone = host.volume(), host.volume()
    intree.create_volume(source)
    intree.create_cloned_volume(clone, source)
    intree.delete_volume(source)
    before = contents()
    (found,) = manage.json('leaks', 'list')
    assert not found['safe']
    assert found['reason'] == f'volumes/{clone.name} need it'
    assert contents() == before


@pytest.mark.parametrize('by_name_id', [False, True])
def test_what_cinder_knows_stays(manage, database, knows, intree, contents,
                                 by_name_id):
    (volume,) = leave(intree, 1)
    intree.create_volume(volume)
    other = host.volume()
    intree.create_cloned_volume(other, volume)
    intree.delete_volume(volume)
    intree.delete_volume(other)
    if by_name_id:
        knows(str(uuid.uuid4()), 'in-use', volume.id)
    else:
        knows(volume.id, 'error_deleting')
    found = {one['kind']: one for one in manage.json('leaks', 'list', code=6)}
    assert found['clone-snapshot']['safe']
    assert not found['deleted-volume']['safe']
    assert 'Cinder has volume' in found['deleted-volume']['reason']
    manage.json('leaks', 'repair')
    assert contents() == ([f'{volume.name}.deleted'], [])


def test_a_clone_that_is_being_made(manage, database, knows, intree, pool):
    source, clone = host.volume(), host.volume()
    intree.create_volume(source)
    pool.snapshots.create(source.name, f'{clone.name}.clone_snap')
    knows(clone.id, 'creating')
    (found,) = manage.json('leaks', 'list')
    assert found['reason'] == f'{clone.name} is being made from it'
    assert manage.json('leaks', 'repair') == []
    assert pool.snapshots.entries(pool.directory.id(source.name))


def test_the_trash(manage, database, pool, contents):
    unneeded, strange, deferred = (f'volume-{uuid.uuid4()}', 'a-disk',
                                   f'volume-{uuid.uuid4()}')
    for name, delay in ((unneeded, 0), (strange, 0), (deferred, 3600)):
        pool.images.create(name, 2**22, 22)
        pool.trash.move(name, delay)
    found = {one['name']: one for one in manage.json('leaks', 'list', code=6)}
    assert found[unneeded]['safe']
    assert "not a volume's" in found[strange]['reason']
    assert 'deferral' in found[deferred]['reason']
    (removed,) = manage.json('leaks', 'repair')
    assert removed['name'] == unneeded
    assert contents() == ([], sorted([strange, deferred]))


def test_a_snapshot_that_somebody_made(manage, database, intree, pool,
                                       contents):
    source, clone = host.volume(), host.volume()
    intree.create_volume(source)
    intree.create_cloned_volume(clone, source)
    pool.snapshots.create(source.name, 'precious')
    intree.delete_volume(source)
    intree.delete_volume(clone)
    assert len(manage.json('leaks', 'repair')) == 1
    (found,) = manage.json('leaks', 'list')
    assert found['reason'] == 'somebody made snapshot precious'
    assert contents() == ([f'{source.name}.deleted'], [])


def test_without_a_database(manage, pool):
    pool.images.create(f'volume-{uuid.uuid4()}.deleted', 2**22, 22)
    done = manage.run('leaks', 'repair')
    assert done.returncode == 1
    assert not done.stdout


@pytest.mark.parametrize('rate', ['0', '-1', 'fast'])
def test_a_rate_that_is_none(manage, rate):
    assert manage.run('leaks', 'repair', f'--rate={rate}').returncode == 2
