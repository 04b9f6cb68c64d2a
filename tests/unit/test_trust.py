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
"""Which locations may be believed: the table of cases."""

import dataclasses

import pytest

from rbd_imgdriver import locations
from rbd_imgdriver import model
from rbd_imgdriver import trust

OURS = 'c3c0ffee-0000-4000-8000-000000000001'
OTHERS = 'c3c0ffee-0000-4000-8000-000000000002'
ALICE, BOB, SERVICE = 'alice', 'bob', 'service'
IMAGE = model.Image(OURS, owner=ALICE, disk_format='raw',
                    container_format='bare')


@pytest.mark.parametrize(('place', 'code'), [
    # What Glance's RBD store writes, and Nova for a snapshot of a server.
    (('fsid', 'images', OURS, 'snap'), None),
    (('fsid', 'images-ssd', OURS, 'snap'), None),
    # Another image, another snapshot.
    (('fsid', 'images', OTHERS, 'snap'), 'not-the-image'),
    (('fsid', 'images', OURS, 'other'), 'not-the-image'),
    (('fsid', 'images', OURS.upper(), 'snap'), 'not-the-image'),
    (('fsid', 'images', f' {OURS}', 'snap'), 'not-the-image'),
    # Volumes by whatever template, clones' snapshots, golden images.
    (('fsid', 'volumes', f'volume-{OTHERS}', 'snap'), 'pool-of-volumes'),
    (('fsid', 'volumes', OURS, 'snap'), 'pool-of-volumes'),
    (('fsid', 'volumes2', OURS, 'snap'), 'pool-of-volumes'),
    (('fsid', 'elsewhere', f'volume-{OURS}', 'snap'), 'not-the-image'),
    (('fsid', 'elsewhere', f'vol_{OURS}', f'snapshot-{OTHERS}'),
     'not-the-image'),
    (('fsid', 'elsewhere', f'{OTHERS}.deleted', f'{OTHERS}.clone_snap'),
     'not-the-image'),
    (('fsid', 'elsewhere', f'image-cache-{OURS}-0123456789ab', 'image'),
     'not-the-image'),
    (('fsid', 'elsewhere', f'.partial-image-cache-{OURS}', 'snap'),
     'not-the-image'),
    # Nova's disks, and backups.
    (('fsid', 'vms', f'{OTHERS}_disk', 'snap'), 'not-the-image'),
    (('fsid', 'vms', f'{OURS}_disk', 'snap'), 'not-the-image'),
    (('fsid', 'vms', f'{OURS}_disk.config', 'snap'), 'not-the-image'),
    (('fsid', 'backups', f'volume-{OTHERS}.backup.base', 'snap'),
     'not-the-image'),
    # Another cluster.
    (('elsewhere', 'images', OURS, 'snap'), 'wrong-cluster'),
])
def test_locations_in_ceph(place, code):
    objection = trust.objection(IMAGE, trust.RbdClaim(
        locations.RbdLocation(*place), 'fsid', {'volumes', 'volumes2'}))
    assert (objection and objection.code) == code


def test_the_locations_that_may_be_followed_come_in_order():
    image = dataclasses.replace(IMAGE, locations=(
        'https://images/a', f'cinder://{OTHERS}',
        f'rbd://fsid/volumes/{OURS}/snap', f'rbd://fsid/b/{OURS}/snap',
        'rbd://fsid/broken', f'rbd://fsid/a/{OURS}/snap'))

    found = list(trust.rbd_locations(image, lambda: 'fsid', {'volumes'}))

    assert [getattr(one, 'code', '') or one.pool for one in found] == [
        'pool-of-volumes', 'b', 'malformed-location', 'a']


def test_without_a_location_in_ceph_nobody_is_asked_for_the_cluster():
    def fsid():
        raise AssertionError

    image = dataclasses.replace(IMAGE, locations=(f'cinder://{OTHERS}',
                                                  'rbd://broken'))
    [found] = trust.rbd_locations(image, fsid, set())
    assert found.code == 'malformed-location'


def volume(**facts):
    """What Glance's Cinder store makes with service credentials."""
    return model.ImageVolume('v', 'volume-v', **{
        'project_id': SERVICE, 'of_service': True, 'image_id': OURS,
        'image_owner': ALICE, 'read_only': True, **facts})


def of(project, **facts):
    """What Cinder makes for an upload without the internal tenant."""
    return volume(project_id=project, of_service=False, **facts)


PUBLIC = {'public': True}


@pytest.mark.parametrize(('held', 'wanted_by', 'image', 'code'), [
    # Glance's Cinder store, Cinder's internal tenant: everybody whom Glance
    # shows the image.
    (volume(), ALICE, {}, None),
    (volume(), BOB, {}, None),
    (volume(), BOB, PUBLIC, None),
    # A volume of the image's owner: the owner, everybody if it is public.
    (of(ALICE), ALICE, {}, None),
    (of(ALICE), BOB, PUBLIC, None),
    (of(ALICE), BOB, {}, 'volume-of-tenant'),
    (of(ALICE, image_owner=None), ALICE, {}, None),
    # Somebody else's volume, whoever marked it: volumes change hands.
    (of(BOB, image_id=None, image_owner=None), ALICE, {}, 'not-the-image'),
    (of(BOB, image_owner=None), ALICE, {}, 'not-owner'),
    (of(BOB), ALICE, {}, 'not-owner'),
    (of(BOB), BOB, {}, 'not-owner'),
    (of(BOB), BOB, PUBLIC, 'not-owner'),
    # Volumes of the services that are no image, or another one.
    (volume(image_id=None, image_owner=None), ALICE, {}, 'not-the-image'),
    (volume(image_id=OTHERS), ALICE, {}, 'not-the-image'),
    (volume(image_id=OTHERS, image_owner=BOB), ALICE, {}, 'not-the-image'),
    # Left over from an image whose id Glance's database has forgotten.
    (volume(image_owner=BOB), ALICE, {}, 'not-owner'),
    (volume(image_owner=None), ALICE, {}, 'not-owner'),
    # Marked, but open to be written.
    (volume(read_only=False), ALICE, {}, 'writable'),
    (of(ALICE, read_only=False), ALICE, {}, 'writable'),
    # Nobody's image is everybody's claim.
    (volume(image_owner=None), ALICE, {'owner': None}, 'not-owner'),
    (of(None), None, {'owner': None}, 'not-owner'),
])
def test_locations_in_cinder(held, wanted_by, image, code):
    objection = trust.objection(
        dataclasses.replace(IMAGE, **image),
        trust.CinderClaim(held, wanted_by))
    assert (objection and objection.code) == code


def test_the_reason_names_what_was_claimed():
    objection = trust.objection(IMAGE, trust.RbdClaim(
        locations.RbdLocation('fsid', 'images', OTHERS, 'snap'), 'fsid',
        {'volumes'}))
    assert f'images/{OTHERS}@snap' in objection.reason
    assert OURS in objection.reason
