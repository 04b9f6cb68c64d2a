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
"""Replication: the volume must not hang on a parent that is not mirrored."""

from cinder import exception
import pytest
import rbd

from tests.functional import host


@pytest.fixture
def mirrored(admin):
    """The pool ``volumes`` with mirroring of single images."""
    with admin.open_ioctx('volumes') as ioctx:
        rbd.RBD().mirror_mode_set(ioctx, rbd.RBD_MIRROR_MODE_IMAGE)
        yield
        for name in rbd.RBD().list(ioctx):
            with rbd.Image(ioctx, name) as image:
                image.mirror_image_disable(True)
        rbd.RBD().mirror_mode_set(ioctx, rbd.RBD_MIRROR_MODE_DISABLED)


@pytest.fixture
def replicated(volume_type):
    return volume_type('replicated', replication_enabled=True)


@pytest.fixture
def plain(volume_type):
    return volume_type('plain')


@pytest.fixture
def state(admin):
    """Whether a volume is mirrored, and the image that it is a clone of."""
    def look(volume):
        with admin.open_ioctx('volumes') as ioctx, \
                rbd.Image(ioctx, volume.name, read_only=True) as image:
            info = image.mirror_image_get_info()
            try:
                parent = image.get_parent_image_spec()['image_name']
            except rbd.ImageNotFound:
                parent = None
            return info['state'] == rbd.RBD_MIRROR_IMAGE_ENABLED, parent

    return look


def test_a_clone_of_an_image_is_retyped(
        mirrored, driver, from_image, retype, plain, replicated, state,
        admin, disk):
    volume = from_image(plain)

    assert retype(volume, replicated)

    assert volume.replication_status == 'enabled'
    assert state(volume) == (True, None)
    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, volume.name, read_only=True) as image:
        assert image.read(0, disk.stat().st_size) == disk.read_bytes()


def test_a_clone_of_a_volume_that_is_not_replicated(
        mirrored, driver, plain, replicated, state):
    source = host.volume(volume_type=plain, volume_type_id=plain.id)
    driver.create_volume(source)
    clone = host.volume(volume_type=replicated, volume_type_id=replicated.id)

    driver.create_cloned_volume(clone, source)

    assert state(clone) == (True, None)


@pytest.mark.parametrize('temporary', [False, True])
def test_a_clone_of_a_replicated_volume(
        mirrored, driver, replicated, state, temporary):
    """Only one that Cinder makes for a backup may depend on another.

    tests/mirror shows what would become of the others.
    """
    source, clone = (host.volume(volume_type=replicated,
                                 volume_type_id=replicated.id,
                                 use_quota=not temporary)
                     for temporary in (False, temporary))
    driver.create_volume(source)

    driver.create_cloned_volume(clone, source)

    assert state(clone) == (True, source.name if temporary else None)


def test_a_volume_from_a_snapshot_of_a_replicated_one(
        mirrored, driver, replicated, state):
    source, volume = (host.volume(volume_type=replicated,
                                  volume_type_id=replicated.id)
                      for _ in range(2))
    driver.create_volume(source)
    snapshot = host.snapshot(source)
    driver.create_snapshot(snapshot)

    driver.create_volume_from_snapshot(volume, snapshot)

    assert state(volume) == (True, None)


@pytest.mark.parametrize('why', ['has snapshots', 'attached'])
def test_one_that_cannot_be_cut_from_its_parent_says_so(
        mirrored, driver, from_image, retype, plain, replicated, state, why,
        caplog):
    """Its readers may need the parent for as long as it has them."""
    volume = from_image(plain)
    if why == 'has snapshots':
        driver.create_snapshot(host.snapshot(volume))
    else:
        volume.attach_status = 'attached'

    with pytest.raises(exception.ReplicationError):
        retype(volume, replicated)

    assert why in caplog.text
    mirrored_now, parent = state(volume)
    assert not mirrored_now
    assert parent is not None


def test_one_that_cannot_be_demoted_keeps_no_other_from_it(
        mirrored, driver, replicated, admin):
    """For example because its create had failed: Cinder passes it, too.

    tests/mirror fails over to another cluster.
    """
    missing, volume = (host.volume(volume_type=replicated,
                                   volume_type_id=replicated.id)
                       for _ in range(2))
    driver.create_volume(volume)

    assert driver._demote_volumes([missing, volume]) == [False, True]

    with admin.open_ioctx('volumes') as ioctx, \
            rbd.Image(ioctx, volume.name) as image:
        assert not image.mirror_image_get_info()['primary']
        image.mirror_image_promote(False)
