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
"""What is not the cache's: a name like that of an entry proves nothing."""

import time

import pytest
import rbd

from rbd_imgdriver.cache import check
from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import names
from rbd_imgdriver.cache import sweep
from rbd_imgdriver.ceph import errors
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from tests.functional.cache.test_entries import make_all
from tests.functional import host

NAME = 'image-cache-of-bob'
LATER = 86400


@pytest.fixture
def ioctx(admin):
    with admin.open_ioctx('volumes') as ioctx:
        yield ioctx


@pytest.fixture
def image(pool, ioctx):
    """An operator's own image with a snapshot; its id."""
    def make(name=NAME, metadata=None, snapshot='mine'):
        id_ = pool.images.create(name, 2**22, 22, metadata)
        pool.snapshots.ensure(name, snapshot)
        return id_

    return make


def sweep_later(store, **options):
    return sweep.Sweep(store, lambda _: False,
                       clock=lambda: time.time() + 2 * LATER, **options).run()


def snapshots(ioctx, id_):
    with rbd.Image(ioctx, image_id=id_) as image:
        return [one['name'] for one in image.list_snaps()]


@pytest.mark.parametrize('delay', [0, LATER])
def test_in_the_trash(store, ioctx, image, contents, delay):
    id_ = image()
    rbd.RBD().trash_move(ioctx, NAME, delay)

    sweep_later(store)

    assert contents() == ([], [NAME])
    assert snapshots(ioctx, id_) == ['mine']


def test_a_clone_of_an_entry_is_no_entry(store, ioctx, image, contents):
    """It inherits the metadata, with the id of its parent."""
    id_ = image(metadata=entry.facts(model.Image('1'), 'another', 0))
    rbd.RBD().trash_move(ioctx, NAME, 0)

    sweep_later(store)

    assert snapshots(ioctx, id_) == ['mine']


def test_check_does_not_repair_it(store, image, contents):
    image()
    found = check.Check(store, lambda _: True).run(True)
    assert [(one.code, one.repaired) for one in found] == [
        ('no-facts', False)]
    assert contents() == ([NAME], [])
    with pytest.raises(errors.PermissionDenied):
        store.retire(NAME)


@pytest.mark.parametrize('metadata', [None, {temporary.MARK: 'another'}])
def test_a_name_like_that_of_a_partial_image(store, image, contents,
                                             metadata):
    image('.partial-restore-of-db', metadata)
    sweep_later(store)
    assert contents() == (['.partial-restore-of-db'], [])
    (found,) = check.Check(store, lambda _: True).run(True)
    assert (found.code, found.repaired) == ('unmarked', False)


@pytest.fixture
def golden(cluster, store, qcow2):
    """An entry that no volume needs."""
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=True)
    (volume,) = make_all(driver, host.ImageService(qcow2),
                         [host.image_meta(qcow2, 'qcow2')])
    driver.delete_volume(volume)
    (one,) = store.entries()
    return one.name


def test_an_entry_that_an_operator_moved_to_the_trash_until_later(
        pool, store, ioctx, golden, contents):
    id_ = pool.directory.id(golden)
    rbd.RBD().trash_move(ioctx, golden, LATER)
    report = sweep.Sweep(store, lambda _: True).run()
    assert (report.freed, report.kept) == ((), ())
    assert snapshots(ioctx, id_) == [names.SNAPSHOT]
    assert sweep_later(store).kept  # Ceph itself refuses before that time


def test_an_entry_of_which_somebody_made_a_snapshot(pool, store, golden,
                                                    contents, ioctx):
    id_ = pool.directory.id(golden)
    pool.snapshots.ensure(golden, 'precious')
    assert not store.retire(golden)
    report = sweep.Sweep(store, lambda _: True).run()
    assert report.needed == (golden,)
    assert 'precious' in snapshots(ioctx, id_)


@pytest.mark.parametrize('snapshot', ['mine', names.SNAPSHOT])
def test_an_image_under_the_name_of_an_entry_to_be(cluster, pool, qcow2,
                                                   disk, image, snapshot,
                                                   admin):
    """No other image's data gets into a volume, and the create works."""
    driver = host.make(cluster, 'volumes', image_volume_cache_enabled=True)
    meta = host.image_meta(qcow2, 'qcow2')
    golden = names.golden(model.Image(
        meta['id'], hash_algo='sha512', hash_value=meta['os_hash_value']))
    id_ = image(golden, snapshot=snapshot)
    service = host.ImageService(qcow2)

    (volume,) = make_all(driver, service, [meta])

    assert pool.directory.id(golden) == id_
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, volume.name, read_only=True) as opened:
        assert opened.read(0, 2**20) == disk.read_bytes()[:2**20]
    assert service.downloads == 1
