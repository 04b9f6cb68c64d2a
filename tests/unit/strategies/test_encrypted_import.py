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
"""import of an encrypted volume, with an importer that makes empty images."""

import pytest

from rbd_imgdriver.cache import entry
from rbd_imgdriver.cache import names
from rbd_imgdriver.ceph import errors as ceph_errors
from rbd_imgdriver import errors
from rbd_imgdriver.importer import importer as importers
from rbd_imgdriver.importer.qemu import luks_header
from rbd_imgdriver.importer import temporary
from rbd_imgdriver import model
from rbd_imgdriver.strategies import encrypted_import
from rbd_imgdriver import undo

ENCRYPTION = luks_header.Encryption('secret', 'aes-256', 'xts', 'plain64')


class Importer:
    """Makes an empty image of the size asked for, or fails."""

    def __init__(self):
        self.error = None
        self.golden = []
        self.targets = []

    def import_image(self, image, data, target, *, publish, golden=None):
        self.targets.append(target)
        self.golden.append(golden)
        if self.error:
            raise self.error
        partial = temporary.new_name(target.name)
        id_ = target.pool.images.create(partial, target.size, target.order,
                                        id_key=temporary.MARK)
        whole = importers.Imported(partial, target.size, 7)
        with undo.on_error(partial, lambda: target.pool.images.remove(
                partial, id_)):
            publish(whole)
        return whole


@pytest.fixture
def importer():
    return Importer()


@pytest.fixture
def strategy(pool, importer):
    """Builds the strategy, with the cache or without."""
    def build(store=None, replaces=False):
        return encrypted_import.EncryptedImport(pool, importer, store, 22,
                                                ENCRYPTION, replaces)

    return build


def test_the_image_is_encrypted_into_the_volume(pool, strategy, importer,
                                                create):
    answer = strategy().attempt(create(size=2 * model.GIB))

    assert answer == model.Created(bytes_moved=7)
    assert importer.targets[0].encryption == ENCRYPTION
    assert importer.targets[0].project == 'mine'
    assert importer.golden == [None]
    assert pool.headers.size('volume-id') == 2 * model.GIB
    assert pool.headers.metadata('volume-id') == {
        'rbd-imgdriver/strategy': 'import', 'rbd-imgdriver/declined': '-',
        'rbd-imgdriver/bytes_moved': '7'}


def test_it_takes_the_place_of_an_empty_volume(pool, strategy, create):
    empty = pool.images.create('volume-id', model.GIB, 22)

    strategy(replaces=True).attempt(create())

    assert pool.directory.ids().keys() == {'volume-id'}
    assert pool.directory.id('volume-id') != empty


def test_no_other_image_of_that_name_is_replaced(pool, strategy, create):
    other = pool.images.create('volume-id', model.GIB, 22)

    with pytest.raises(errors.VolumeExists):
        strategy().attempt(create())

    assert pool.directory.ids() == {'volume-id': other}


def test_the_disk_is_read_from_the_cache(pool, store, strategy, importer,
                                         create):
    request = create()
    golden = names.golden(request.image)
    id_ = pool.images.create(golden, model.GIB, 22)
    pool.headers.update(golden, entry.facts(request.image, id_, 0.0))
    pool.snapshots.create(golden, names.SNAPSHOT)

    strategy(store).attempt(request)

    assert importer.golden == [store.snapshot(golden)]


@pytest.mark.parametrize(('error', 'raised'), [
    (ceph_errors.NoSpace('full'), errors.NoSpace),
    (ceph_errors.TimedOut('no answer'), errors.BackendFailed),
    (errors.ImageDamaged('image', 'it is'), errors.ImageDamaged)])
def test_a_failure_ends_the_create(pool, strategy, importer, create, error,
                                   raised):
    """There is no strategy after it."""
    importer.error = error

    with pytest.raises(raised):
        strategy().attempt(create())

    assert pool.directory.ids() == {}
