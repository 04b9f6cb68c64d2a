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
"""Multiattach: features are taken from a volume, and given back."""

from cinder import context
import pytest
import rbd

from tests.functional import host

# What several clients that write cannot share.
EXCLUSIVE = (rbd.RBD_FEATURE_EXCLUSIVE_LOCK | rbd.RBD_FEATURE_OBJECT_MAP
             | rbd.RBD_FEATURE_FAST_DIFF)


@pytest.fixture
def shared(volume_type):
    return volume_type('shared', multiattach=True)


@pytest.fixture
def plain(volume_type):
    return volume_type('plain')


def test_a_volume_from_an_image_can_be_retyped(
        from_image, retype, shared, plain, features):
    volume = from_image(shared)
    assert not features(volume) & EXCLUSIVE

    assert retype(volume, plain)

    assert features(volume) & EXCLUSIVE == EXCLUSIVE
    assert volume.provider_location is None


def test_so_can_one_whose_features_nobody_has_noted(
        from_image, retype, shared, plain, features):
    """As Cinder's driver makes them from images."""
    volume = from_image(shared)
    volume.provider_location = None

    assert retype(volume, plain)

    assert features(volume) & EXCLUSIVE == EXCLUSIVE


def test_so_can_one_that_was_copied_from_another_backend(
        driver, cluster, retype, shared, plain, features):
    """Cinder's copy makes a volume and gives it the old one's name."""
    volume, copy = (host.volume(volume_type=shared, volume_type_id=shared.id)
                    for _ in range(2))
    copy.update(driver.create_volume(copy))

    volume.update(driver.update_migrated_volume(
        context.get_admin_context(), volume, copy, 'available'))

    assert not features(volume) & EXCLUSIVE
    assert retype(volume, plain)
    assert features(volume) & EXCLUSIVE == EXCLUSIVE
