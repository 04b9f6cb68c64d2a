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
"""Names that Cinder's driver has to understand, too."""

import pytest

from rbd_imgdriver.chain import names

RULES = names.Names()
ID = '6f0f1c9e-8a55-4b71-9a10-1f6f5c1f7c39'


@pytest.mark.parametrize(('image', 'volume_id'), [
    (f'volume-{ID}', ID),
    (f'volume-{ID}.deleted', ID),
    (f'snapshot-{ID}', None),
    ('image-cache-abc', None),
    ('volume-', None),
])
def test_volume_id(image, volume_id):
    assert RULES.volume_id(image) == volume_id


def test_another_template():
    rules = names.Names('cloud.%s-disk')
    assert rules.volume_id(f'cloud.{ID}-disk.deleted') == ID
    assert rules.volume_id(f'cloudx{ID}-disk') is None
    assert rules.volume_id(f'volume-{ID}') is None


@pytest.mark.parametrize(('image', 'deleted', 'golden'), [
    (f'volume-{ID}', False, False),
    (f'volume-{ID}.deleted', True, False),
    (f'image-cache-{ID}-0123456789ab', False, True),
    (ID, False, False),
    ('something.deleted', False, False),
])
def test_what_a_name_says(image, deleted, golden):
    assert RULES.is_deleted(image) is deleted
    assert RULES.is_golden(image) is golden


@pytest.mark.parametrize(('snapshot', 'internal'), [
    (names.clone_snapshot(f'volume-{ID}'), True),
    (names.clone_snapshot(f'snapshot-{ID}'), True),
    (names.moved_clone_snapshot(f'volume-{ID}'), True),
    (f'backup.{ID}.snap.1700000000.12', True),
    ('backup.tonight', False),
    (f'my-backup.{ID}.snap.1', False),
    (f'snapshot-{ID}', False),
    ('clone_snap', False),
])
def test_internal_snapshots(snapshot, internal):
    assert names.is_internal_snapshot(snapshot) is internal


def test_a_moved_clones_snapshot_has_not_the_clones_name():
    """Cinder's driver: ``parent_snap == "%s.clone_snap" % volume_name``."""
    volume = f'volume-{ID}'
    assert names.moved_clone_snapshot(volume) != f'{volume}.clone_snap'
