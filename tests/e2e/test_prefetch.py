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
"""Images that are fetched before anybody asks for them."""

import subprocess
import time

import pytest

from sandbox import polling

MARKED = """
[img1]
rbd_imgdriver_prefetch = tag=golden
rbd_imgdriver_prefetch_interval = 5
rbd_imgdriver_prefetch_transport_url = {bus}
"""


@pytest.fixture
def qcow2(disk, tmp_path):
    path = tmp_path / 'disk.qcow2'
    subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', disk,
                    path], check=True)
    return path


def test_the_first_create_of_a_marked_image_is_a_clone(
        cloud, sandbox, reconfigured, qcow2, disk):
    reconfigured(MARKED.format(bus=sandbox.transport_url))
    image = cloud.queued_image('qcow2')
    cloud.api.image('PUT', f'/images/{image}/tags/golden')
    cloud.api.image('PATCH', f'/images/{image}', [
        {'op': 'replace', 'path': '/visibility', 'value': 'public'}],
        'application/openstack-images-v2.1-json-patch')
    with qcow2.open('rb') as data:
        cloud.api.upload(f'/images/{image}/file', data, 'file')
    cloud.await_image(image)
    uploaded = time.monotonic()

    # Nobody has asked for a volume of it.
    assert polling.wait_until(lambda: cloud.is_cached(image), 300)
    took = time.monotonic() - uploaded
    volume = cloud.volume(image, 'img1')

    stored = cloud.stored(volume, 'img1', 2**20)
    assert stored.strategy == 'cached-clone'
    assert stored.data == disk.read_bytes()[:2**20]
    # A minute, and the rest for a machine that has much to do.
    assert took < 240
