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
"""What operators keep in the trash, or call like ours, is theirs."""

import pytest
import rbd

from rbd_imgdriver.chain import names
from tests.functional import host


@pytest.fixture
def family(driver, disks):
    """A volume with data, and its clone."""
    source, clone = host.volume(), host.volume()
    driver.create_volume(source)
    disks.write(source.name, 0, 'precious')
    driver.create_cloned_volume(clone, source)
    return source, clone


@pytest.fixture
def ioctx(admin):
    with admin.open_ioctx('volumes') as ioctx:
        yield ioctx


@pytest.fixture
def cinder_says(driver):
    """Cinder's database, as the driver sees it."""
    def say(**statuses):
        def status_of(volume_id):
            return statuses.get(volume_id.replace('-', '_'))

        chains = driver._chains
        rules = names.Names(status_of=status_of)
        chains._rules = chains.deleter._rules = rules
        chains.flattener._rules = rules

    return say


@pytest.mark.parametrize('known', [True, False])
def test_a_volume_that_somebody_moved_to_the_trash(
        driver, disks, family, ioctx, contents, cinder_says, known):
    """Its last clone goes; it stays, and can be restored."""
    source, clone = family
    cinder_says(**({source.id.replace('-', '_'): 'available'}
                   if known else {}))
    id_ = driver._pool.directory.id(source.name)
    rbd.RBD().trash_move(ioctx, source.name, 0)

    driver.delete_volume(clone)
    driver._trash_purge()

    assert contents() == ([], [source.name])
    rbd.RBD().trash_restore(ioctx, id_, source.name)
    assert disks.text(source.name, 0)[:8] == 'precious'


def test_a_deleted_volume_that_cinder_knows_again(driver, family, contents,
                                                  cinder_says, clone_format):
    """It failed after it was moved; an operator may want to have it back."""
    source, clone = family
    driver.delete_volume(source)
    hidden = contents()
    cinder_says(**{source.id.replace('-', '_'): 'error_deleting'})

    driver.delete_volume(clone)
    driver._trash_purge()

    left = [[name for name in one if name != clone.name] for one in hidden]
    assert list(contents()) == left


def test_what_an_earlier_version_left_goes_when_cinder_has_deleted_it(
        driver, family, ioctx, is_empty, cinder_says):
    """It set no mark; Cinder's record of the deletion stands for it."""
    source, clone = family
    cinder_says(**{source.id.replace('-', '_'): 'deleted'})
    rbd.RBD().trash_move(ioctx, source.name, 0)

    driver.delete_volume(clone)

    assert is_empty()


def test_the_trash_is_not_purged_of_what_is_not_ours(driver, ioctx,
                                                     contents, admin):
    made = host.volume()
    driver.create_volume(made)
    for name in (made.name, 'precious', 'image-cache-of-bob'):
        if name != made.name:
            rbd.RBD().create(ioctx, name, 2**22, 22, old_format=False,
                             features=61)
        with rbd.Image(ioctx, name) as image:
            image.create_snap('x.clone_snap')
        rbd.RBD().trash_move(ioctx, name, 0)

    driver._trash_purge()

    assert contents()[1] == sorted([made.name, 'precious',
                                    'image-cache-of-bob'])
    for one in driver._pool.trash.entries():
        with rbd.Image(ioctx, image_id=one.id) as image:
            assert [snap['name'] for snap in image.list_snaps()] == [
                'x.clone_snap']
