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
"""Object size, features and data pool are as asked for, and checked."""

import pytest

from rbd_imgdriver.ceph.images import layouts
from rbd_imgdriver.importer import target as targets
from tests.functional.importer.conftest import FileData
from tests.functional.importer.conftest import image_of
from tests.functional.importer.conftest import MIB
from tests.functional.importer.conftest import qemu_img
from tests.functional.importer.conftest import write_disk

NAME = 'volume-x'


@pytest.mark.parametrize('order', [20, 22, 23])
@pytest.mark.parametrize('disk_format', ['raw', 'qcow2'])
@pytest.mark.parametrize('where', ['glance', 'cluster'])
def test_object_size(importer, pool, tmp_path, in_glance, order, disk_format,
                     where):
    raw = write_disk(tmp_path / 'disk.raw', 9 * MIB)
    path = tmp_path / 'disk.image'
    qemu_img('convert', '-f', 'raw', '-O', disk_format, raw, path)
    urls = (in_glance(path),) if where == 'cluster' else ()

    importer.import_image(
        image_of(path, disk_format, locations=urls), FileData(path),
        targets.Target(pool, NAME, order, 16 * MIB, 16 * MIB))

    pool.data.check_layout(NAME, 16 * MIB, order)
    with pytest.raises(layouts.WrongLayout, match=f'order={order}'):
        pool.data.check_layout(NAME, 16 * MIB, order + 1)


@pytest.mark.parametrize(('size', 'order', 'features', 'data_pool'), [
    (2, 22, 61, ''), (1, 23, 61, ''), (1, 22, 125, ''), (1, 22, 61, 'data')])
def test_what_is_not_as_asked_for(size, order, features, data_pool):
    found = layouts.Layout(1, 22, 61, '')

    with pytest.raises(layouts.WrongLayout, match='volumes/x'):
        layouts.check(found, layouts.Layout(size, order, features, data_pool),
                      'volumes/x')


def test_striping_is_librbds_own_to_decide():
    layouts.check(layouts.Layout(1, 22, 61, ''),
                  layouts.Layout(1, 22, 63, ''), 'volumes/x')


def test_more_features_than_asked_for_are_fine():
    layouts.check(layouts.Layout(1, 22, 61, ''),
                  layouts.Layout(1, 22, 1, ''), 'volumes/x')
