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
"""The lists of what Cinder may take over, beside those of Cinder's driver."""

import itertools
import json
import sys
import uuid

from cinder import exception
from cinder.volume.drivers import rbd as cinder_rbd
from cinder.volume import volume_utils
import pytest
import rbd

from rbd_imgdriver.cache import names
from rbd_imgdriver import model
from tests.functional import host

ORDERS = ([], []), (['reference'], ['asc']), (['reference'], ['desc']), (
    ['size'], ['asc']), (['size', 'reference'], ['desc', 'asc'])
PAGES = ((100, 0), (3, 0), (3, 2), (2, 100), (0, 0))


@pytest.fixture
def driver(cluster, pool):
    return host.make(cluster, 'volumes')


@pytest.fixture
def intree(cluster, pool):
    return host.make(cluster, 'volumes', cls=cinder_rbd.RBDDriver)


@pytest.fixture
def managed() -> str:
    """The id of a volume, and of a snapshot, that Cinder knows."""
    return str(uuid.uuid4())


@pytest.fixture
def full(admin, pool, managed):
    """A pool of all sorts; one of its images is open."""
    sizes = {f'volume-{managed}': 1, f'volume-{uuid.uuid4()}': 3,
             'adopt-me': 2, 'ümläut ☃': 1, 'volume-x.deleted': 1,
             'open': 2, names.GOLDEN + 'golden': 1}
    with admin.open_ioctx('volumes') as ioctx:
        for name, size in sizes.items():
            rbd.RBD().create(ioctx, name, size * model.GIB - 7, 22,
                             old_format=False, features=61)
        for name in ('adopt-me', names.GOLDEN + 'golden'):
            with rbd.Image(ioctx, name) as image:
                for snapshot in (f'snapshot-{managed}', 'mine ☃',
                                 'volume-1.clone_snap',
                                 'backup.1.snap.2', 'late'):
                    image.create_snap(snapshot)
                    image.resize(image.size() + model.GIB)
        rbd.RBD().clone(ioctx, 'adopt-me', 'late', ioctx, 'a-clone',
                        features=61)
        with rbd.Image(ioctx, 'open') as image:
            image.write(b'x', 0)
            yield ioctx


def ours_and_theirs(driver, intree, what: str, known: list):
    """Ours, and Cinder's way to cut a page out of all that it finds."""
    reference = 'reference' if what == 'volumes' else 'source_reference'
    everything = [one for one in getattr(
        intree, f'get_manageable_{what}')(known, None, sys.maxsize, 0, [], [])
        if not names.internal(one[reference]['source-name'])]
    assert everything

    def theirs(*page):
        return volume_utils.paginate_entries_list(everything, *page)

    def ours(*page):
        return getattr(driver, f'get_manageable_{what}')(known, *page)

    return everything, ours, theirs


@pytest.mark.parametrize('what', ['volumes', 'snapshots'])
def test_each_page_is_that_of_cinders_driver(full, driver, intree, managed,
                                             what):
    everything, ours, theirs = ours_and_theirs(driver, intree, what,
                                               [{'id': managed}])
    reasons = {one['reason_not_safe'] for one in everything}
    assert reasons == {
        'volumes': {None, 'already managed', 'volume in use',
                    'volume marked as deleted'},
        'snapshots': {None, 'already managed', 'used for clone snap',
                      'used for volume backup'}}[what]

    marker = everything[1]['reference']
    for order, page, start in itertools.product(
            ORDERS, PAGES, (None, marker, json.dumps(marker))):
        wanted = start, *page, *order
        assert ours(*wanted) == theirs(*wanted), wanted


@pytest.mark.parametrize('what', ['volumes', 'snapshots'])
@pytest.mark.parametrize('marker', ['no json', {'source-name': 'nothing'}])
def test_a_marker_that_is_none(full, driver, what, marker):
    with pytest.raises(exception.InvalidInput):
        getattr(driver, f'get_manageable_{what}')([], marker, 10, 0, [], [])


def test_what_is_half_gone_is_left_out(full, driver, intree):
    """A removal that was cut short, or that goes on meanwhile."""
    full.remove_object(f'rbd_header.{driver._pool.directory.id("adopt-me")}')
    full.remove_object(f'rbd_header.{driver._pool.directory.id("a-clone")}')

    found = driver.get_manageable_volumes([], None, 2, 0, ['reference'],
                                          ['asc'])
    snapshots = driver.get_manageable_snapshots([], None, 9, 0, [], [])

    assert [one['reference']['source-name'] for one in found] == [
        'open', found[1]['reference']['source-name']]
    assert snapshots == []


def test_a_removed_snapshot_that_a_clone_needs_is_nobodys(full, driver):
    with rbd.Image(full, 'adopt-me') as image:
        image.remove_snap('late')

    found = driver.get_manageable_snapshots([], None, 100, 0, [], [])

    assert [one['reference']['source-name'] for one in found][-1] == (
        'backup.1.snap.2')
    assert len(found) == 4


def test_an_empty_pool(driver):
    assert driver.get_manageable_volumes([], None, 9, 0, [], []) == []
    assert driver.get_manageable_snapshots([], None, 9, 0, [], []) == []
