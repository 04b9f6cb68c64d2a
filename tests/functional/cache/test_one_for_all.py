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
"""What is wrong with one create's import is not another create's failure."""

from concurrent import futures
import gc
import threading
import weakref

from cinder import context
from cinder import exception
import pytest

from rbd_imgdriver.cache import eviction
from rbd_imgdriver.cache import fill
from rbd_imgdriver.cache import wish
from rbd_imgdriver import errors
from rbd_imgdriver.importer import importer as image_importer
from rbd_imgdriver.importer import options
from tests.functional.cache import mortal
from tests.functional import host
from tests.functional.importer import conftest as images

GIB = 2**30


@pytest.fixture
def filler(store, tmp_path):
    importer = image_importer.Importer(
        options.Options(str(tmp_path), retries=0))
    return fill.Filler(store, importer, eviction.Limits(size_gb=20), 22)


class Gated(mortal.Data):
    """Data whose reader waits until somebody else waits for the same."""

    def __init__(self, path, reached, gate):
        super().__init__(path)
        self._reached, self._gate = reached, gate

    def read(self, offset=0):
        self._reached.set()
        assert self._gate.wait(60)
        yield from super().read(offset)


@pytest.fixture
def both(filler):
    """Two creates of one image, the second waits for the first."""
    def run(image, path, limits):
        reached, gate = threading.Event(), threading.Event()
        waiting = threading.Event()
        filler._sleep = lambda seconds: (waiting.set(), gate.wait(seconds))
        wishes = [wish.Wish(image, Gated(path, reached, gate),
                            mortal.Events(), limit) for limit in limits]
        with futures.ThreadPoolExecutor(2) as threads:
            first = threads.submit(filler.fill, wishes[0])
            assert reached.wait(60)
            second = threads.submit(filler.fill, wishes[1])
            assert waiting.wait(60)
            gate.set()
            return first.exception(120), second.exception(120)

    return run


@pytest.fixture
def big(tmp_path):
    """A qcow2 image of 3 GiB; Glance does not know how large it is."""
    path = tmp_path / 'big.qcow2'
    images.qemu_img('create', '-q', '-f', 'qcow2', path, '3G')
    return path


def test_a_volume_that_is_too_small(both, big, store):
    small, large = both(images.image_of(big, 'qcow2'), big,
                        (1 * GIB, 10 * GIB))
    assert isinstance(small, errors.ImageTooLarge)
    assert large is None
    assert len(store.entries()) == 1


def test_data_that_is_damaged(both, big, filler):
    found = both(images.image_of(big, 'qcow2', hash_value='00' * 64), big,
                 (10 * GIB, 10 * GIB))
    assert [type(one) for one in found] == [errors.ImageDamaged] * 2
    assert not filler._verdicts


def test_nothing_is_kept_of_a_failure(filler, big):
    """Neither the error nor what its traceback holds."""
    image = images.image_of(big, 'qcow2', hash_value='00' * 64)
    data = mortal.Data(big)
    gone = weakref.ref(data)
    with pytest.raises(errors.ImageDamaged):
        filler.fill(wish.Wish(image, data, mortal.Events(), 10 * GIB))
    del data
    gc.collect()
    assert gone() is None
    assert not filler._verdicts


@pytest.fixture
def made(cluster, pool, tmp_path):
    """A driver, and three images that it has cached."""
    def make(**limits):
        driver = host.make(cluster, 'volumes',
                           image_volume_cache_enabled=True, **limits)
        for number in range(3):
            disk = images.write_disk(tmp_path / f'{number}.raw', 2**20,
                                     number)
            create(driver, host.image_meta(disk, 'raw'), disk)
        return driver

    return make


def create(driver, meta, path, size=1):
    assert driver.clone_image(
        context.get_admin_context(), host.volume(size), (None, []), meta,
        host.ImageService(path))[1]


def test_a_bad_image_evicts_nothing(made, store, tmp_path, contents):
    driver = made(image_volume_cache_max_count=3)
    before = store.entries()
    disk = tmp_path / '0.raw'
    with pytest.raises(exception.CinderException):
        create(driver, host.image_meta(disk, 'raw', os_hash_value='00' * 64),
               disk)
    assert store.entries() == before


def test_only_the_room_that_an_image_takes_is_made(made, store, big):
    """Its size is not known beforehand, and its volume is large."""
    driver = made(image_volume_cache_max_size_gb=6)
    create(driver, host.image_meta(big, 'qcow2'), big, size=40)
    assert sorted(one.size // GIB for one in store.entries()) == [1, 1, 1, 3]


def test_an_image_that_proves_too_large_for_the_cache(made, store, big,
                                                      contents):
    driver = made(image_volume_cache_max_size_gb=2)
    before = store.entries()
    create(driver, host.image_meta(big, 'qcow2'), big, size=40)
    assert store.entries() == before
    assert not [name for name in contents()[0] if name.startswith('.')]
