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
"""The next caller finishes a publication that broke off, or repeats it."""

from cinder import context
import pytest
import rbd

from rbd_imgdriver.cache import check
from rbd_imgdriver.cache import names
from rbd_imgdriver.cache import store as cache_store
from rbd_imgdriver.cache import sweep
from rbd_imgdriver import model
from tests.functional import host

MENDING = {
    'create': lambda store: None,
    'sweep': lambda store: sweep.Sweep(store, lambda _: True).run(),
    'check': lambda store: check.Check(store, lambda _: True).run(True),
}


@pytest.fixture
def service(qcow2):
    return host.ImageService(qcow2)


@pytest.fixture
def driver(cluster, pool):
    return host.make(cluster, 'volumes', image_volume_cache_enabled=True)


@pytest.fixture
def create(driver, meta, service, pool):
    """Makes a volume of the image and says by which strategy."""
    def make() -> str:
        volume = host.volume()
        assert driver.clone_image(context.get_admin_context(), volume,
                                  (None, []), meta, service)[1]
        return pool.headers.metadata(volume.name)[model.STRATEGY_KEY]

    return make


@pytest.fixture
def golden(meta):
    return names.golden(model.Image(
        meta['id'], hash_algo='sha512', hash_value=meta['os_hash_value']))


@pytest.fixture
def half_renamed(admin, monkeypatch):
    """The next rename times out after so many of its three steps."""
    real = rbd.RBD.rename

    def arm(steps):
        def rename(self, ioctx, old, new):
            monkeypatch.setattr(rbd.RBD, 'rename', real)
            if steps == 3:
                real(self, ioctx, old, new)
            elif steps == 1:
                with admin.open_ioctx('volumes') as own:
                    own.write_full(f'rbd_id.{new}', own.read(f'rbd_id.{old}'))
            raise rbd.Timeout('late', errno=110)

        monkeypatch.setattr(rbd.RBD, 'rename', rename)

    return arm


@pytest.mark.parametrize('steps', [1, 3])
def test_a_rename_that_timed_out_and_happened(create, service, half_renamed,
                                              store, golden, contents, steps):
    half_renamed(steps)
    assert create() == 'import'
    assert [one.name for one in store.entries()] == [golden]
    assert create() == 'cached-clone'
    assert service.downloads == 1
    assert len(contents()[0]) == 3


def test_a_rename_that_timed_out_and_did_not_happen(create, service, store,
                                                    half_renamed, contents):
    half_renamed(0)
    assert create() == 'import'
    assert store.entries() == []
    assert len(contents()[0]) == 1
    create()
    assert create() == 'cached-clone'
    assert service.downloads <= 3


@pytest.mark.parametrize('mending', MENDING)
def test_an_entry_without_its_snapshot(create, service, pool, store, golden,
                                       mending):
    create()
    pool.snapshots.remove(golden, names.SNAPSHOT)
    assert not store.has(golden)

    MENDING[mending](store)

    assert create() == 'import'
    assert create() == 'cached-clone'
    assert service.downloads == 2


def test_a_name_whose_image_is_gone(create, service, admin, store, golden,
                                    pool):
    """What the removal of a half renamed image used to leave."""
    with admin.open_ioctx('volumes') as ioctx:
        ioctx.write_full(f'rbd_id.{golden}', b'\x04\0\0\0gone')
    assert pool.directory.exists(golden)
    assert not store.has(golden)

    create()

    assert create() == 'cached-clone'
    assert service.downloads == 1


def test_evicted_while_it_is_cloned(driver, create, pool, store, golden,
                                    monkeypatch, service):
    """By another host, right after the clone: the create is done."""
    create()
    driver._backend.store._recorded.clear()  # as a minute later
    real = rbd.RBD.clone

    def clone(self, *args, **kwargs):
        real(self, *args, **kwargs)
        monkeypatch.setattr(rbd.RBD, 'clone', real)
        cache_store.Store(pool).retire(golden)

    monkeypatch.setattr(rbd.RBD, 'clone', clone)
    assert create() == 'cached-clone'
    assert service.downloads == 1
