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
"""The volume manager, on the task of Cinder's that makes volumes."""

import importlib
import inspect
import pathlib
import re
import shutil
import subprocess
import types

import cinder
from cinder import exception
from cinder import objects
from oslo_config import cfg
import pytest

objects.register_all()  # as cinder-volume does first
manager = importlib.import_module('rbd_imgdriver.manager')
create_volume = manager.create_volume
cinder_manager = manager.cinder_manager

PATCH = (pathlib.Path(__file__).parents[2]
         / 'doc/source/contributor/clone-image-encrypted.patch')
KEY = '11111111-0000-4000-8000-000000000001'
IMAGE = {'id': 'image', 'size': 1, 'owner': 'p'}
MADE = {'provider_location': 'made'}


class Database:
    """Takes an image's metadata."""

    def __init__(self):
        self.metadata = {}

    def volume_glance_metadata_bulk_create(self, context, volume, metadata):
        self.metadata[volume] = metadata


class Driver:
    """Clones, or declines to, and remembers for which volumes."""

    def __init__(self, *, clones=True, capable=True):
        self.capabilities = {manager.driver_images.CLONES_ENCRYPTED: capable}
        self.asked = []
        self._clones = clones

    def clone_image(self, context, volume, location, meta, service):
        self.asked.append(volume.id)
        return (MADE, True) if self._clones else ({}, False)


class Volume(types.SimpleNamespace):
    """A volume whose record nobody keeps."""

    def save(self):
        """Nowhere."""


@pytest.fixture(scope='module', autouse=True)
def registered():
    cfg.CONF([], project='cinder', default_config_files=[])


@pytest.fixture
def task():
    """Cinder's task; its last resort only notes that it was reached."""
    class Task(create_volume.CreateVolumeFromSpecTask):
        downloaded = False

        def _create_from_image_cache_or_download(self, *args, **kwargs):
            self.downloaded = True
            return {'provider_location': 'downloaded'}

    manager.install(Task)
    return Task


def volume(key: str | None = KEY) -> Volume:
    return Volume(id='volume', size=1, encryption_key_id=key, bootable=False)


def create(task, driver, key=KEY, **meta):
    made = task(None, Database(), driver)
    update = made._create_from_image(
        None, volume(key), (None, None), 'image', {**IMAGE, **meta}, None)
    return made, update


def test_cinder_is_what_the_manager_is_made_for():
    assert manager.differences(create_volume.CreateVolumeFromSpecTask) == []
    assert cinder_manager.create_volume is create_volume
    assert ('CreateVolumeFromSpecTask'
            in create_volume.get_flow.__code__.co_names)


def test_a_driver_is_asked_for_encrypted_volumes(task):
    driver = Driver()

    made, update = create(task, driver)

    assert (update, driver.asked) == (MADE, ['volume'])
    assert not made.downloaded
    assert 'volume' in made.db.metadata  # as after every clone


def test_what_the_driver_declines_goes_cinders_way(task):
    driver = Driver(clones=False)

    made, update = create(task, driver)

    assert driver.asked == ['volume']
    assert made.downloaded
    assert update == {'provider_location': 'downloaded'}


def test_other_volumes_are_asked_for_once(task):
    driver = Driver(clones=False)

    made, _ = create(task, driver, key=None)

    assert driver.asked == ['volume']
    assert made.downloaded


@pytest.mark.parametrize(('capable', 'meta'), [
    (False, {}), (True, {'cinder_encryption_key_id': KEY})],
    ids=['another-driver', 'image-encrypted-already'])
def test_others_go_cinders_way_unasked(task, capable, meta):
    driver = Driver(capable=capable)

    made, _ = create(task, driver, **meta)

    assert driver.asked == []
    assert made.downloaded


def test_a_disk_larger_than_the_volume_is_refused_first(task):
    driver = Driver()

    with pytest.raises(exception.ImageUnacceptable):
        create(task, driver, virtual_size=2**31)

    assert driver.asked == []


def test_it_is_installed_once(task):
    once = task._create_from_image

    manager.install(task)

    assert task._create_from_image is once
    assert inspect.signature(once) == inspect.signature(
        create_volume.CreateVolumeFromSpecTask._create_from_image)


def test_another_cinder_is_left_alone(caplog):
    class Other(create_volume.CreateVolumeFromSpecTask):
        def _create_from_image(self, context, volume, new_argument):
            """As some Cinder to come may have it."""

    theirs = Other._create_from_image

    manager.install(Other)

    assert Other._create_from_image is theirs
    assert 'new_argument' in caplog.text


def test_a_cinder_without_the_method_is_left_alone(caplog):
    manager.install(object)

    assert 'no _create_from_image' in caplog.text


def test_the_option_of_cinder_can_name_it():
    assert issubclass(manager.VolumeManager, cinder_manager.VolumeManager)
    assert manager.VolumeManager.target is cinder_manager.VolumeManager.target


def test_the_change_proposed_to_cinder_applies_to_this_one(tmp_path):
    """Its own tests of the flow are part of the change."""
    patch = PATCH.read_text()
    names = re.findall(r'^\+\+\+ b/(\S+)$', patch, re.MULTILINE)
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pathlib.Path(cinder.__file__).parents[1] / name,
                    tmp_path / name)

    done = subprocess.run(['git', 'apply', '--verbose', PATCH], cwd=tmp_path,
                          capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert len(names) == 3
    for name in names:
        assert 'clone_image_encrypted' in (tmp_path / name).read_text()
