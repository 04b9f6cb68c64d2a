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
"""``rbd-imgdriver-manage`` beside a cloud, with its service credentials."""

import subprocess


def test_what_explain_says_is_what_a_create_does(cloud, disk, manage):
    image = cloud.image(disk, 'raw', store='rbd')

    said = manage('image', 'explain', image, '--backend', 'img1')
    volume = cloud.volume(image, 'img1')
    answer = manage('volume', 'explain', volume, '--backend', 'img1')

    first = said['strategies'][0]
    assert (first['strategy'], first['verdict']) == ('rbd-clone',
                                                     'would be used')
    assert answer['strategy'] == 'rbd-clone'
    assert answer['parents'][0]['parent'] == first['parent']


def test_an_image_volume_is_looked_up_in_the_database(cloud, disk, manage):
    image = cloud.image(disk, 'raw', store='cinder')

    said = manage('image', 'explain', image, '--backend', 'img1')

    verdicts = {one['strategy']: one['verdict']
                for one in said['strategies']}
    assert verdicts['cinder-clone'] == 'would be used'


def test_a_prefetched_image_is_a_hit(cloud, disk, manage):
    qcow2 = disk.with_suffix('.qcow2')
    subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', disk,
                    qcow2], check=True)
    image = cloud.image(qcow2, 'qcow2')

    fetched = manage('cache', 'prefetch', image, '--backend', 'img1')
    volume = cloud.volume(image, 'img1')

    assert fetched[0]['result'] == 'imported'
    answer = manage('volume', 'explain', volume, '--backend', 'img1')
    assert answer['strategy'] == 'cached-clone'
    assert fetched[0]['name'] in answer['parents'][0]['parent']
    manage('cache', 'evict', image, '--backend', 'img1')
    cloud.delete_volume(volume)
    left = manage('cache', 'list', '--backend', 'img1')
    assert fetched[0]['name'] not in [one['name'] for one in left]


def test_the_doctor_finds_nothing_that_does_not_work(cloud, disk, manage):
    cloud.image(disk, 'raw', store='rbd')

    # A sandbox has one copy.
    found = manage('doctor', '--all', '--timeout', '100', code=6)

    codes = {one['code'] for one in found}
    assert {'cluster', 'probe', 'glance', 'glance-clone', 'qemu'} <= codes
    assert {one['code'] for one in found
            if one['severity'] == 'warning'} <= {
                'single-copy', 'leftovers', 'converter-user-shared'}
