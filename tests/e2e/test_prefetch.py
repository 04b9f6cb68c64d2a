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

from sandbox import cloud as cloud_of
from sandbox import polling
from sandbox import progress

MARKED = """
[img1]
rbd_imgdriver_prefetch = tag=golden
"""
ASKING = MARKED + 'rbd_imgdriver_prefetch_interval = 5\n'
# Glance is asked once at the start; after that only when it says something.
LISTENING = MARKED + """
rbd_imgdriver_prefetch_interval = 86400
rbd_imgdriver_prefetch_transport_url = {bus}
"""
NOTIFYING = """
[oslo_messaging_notifications]
driver = messagingv2
"""


@pytest.fixture
def qcow2(disk, tmp_path):
    path = tmp_path / 'disk.qcow2'
    subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', disk,
                    path], check=True)
    return path


@pytest.fixture
def glance_notifies(sandbox):
    """Has Glance say what happens, until the test has ended."""
    drop_in = sandbox.layout.etc / 'glance/glance-api.conf.d/e2e.conf'

    def restart() -> None:
        cloud_of.Cloud(sandbox, progress.Progress()).restart(['glance-api'])

    drop_in.write_text(NOTIFYING)
    restart()
    yield
    drop_in.unlink()
    restart()


@pytest.fixture
def upload(cloud, qcow2):
    """Uploads a public image and marks it; its id and when it was there."""
    def make() -> tuple[str, float]:
        image = cloud.queued_image('qcow2')
        cloud.api.image('PUT', f'/images/{image}/tags/golden')
        cloud.api.image('PATCH', f'/images/{image}', [
            {'op': 'replace', 'path': '/visibility', 'value': 'public'}],
            'application/openstack-images-v2.1-json-patch')
        with qcow2.open('rb') as data:
            cloud.api.upload(f'/images/{image}/file', data, 'file')
        cloud.await_image(image)
        return image, time.monotonic()

    return make


def test_the_first_create_of_a_marked_image_is_a_clone(
        cloud, reconfigured, upload, disk):
    reconfigured(ASKING)
    first_create_is_a_clone(cloud, *upload(), disk)


def test_glance_says_that_it_has_an_image(
        cloud, sandbox, reconfigured, glance_notifies, upload, disk):
    reconfigured(LISTENING.format(bus=sandbox.transport_url))
    first_create_is_a_clone(cloud, *upload(), disk)


def first_create_is_a_clone(cloud, image: str, uploaded: float, disk) -> None:
    # Nobody has asked for a volume of it.
    assert polling.wait_until(lambda: cloud.is_cached(image), 300)
    cached = time.monotonic()
    volume = cloud.volume(image, 'img1')
    created = time.monotonic()

    stored = cloud.stored(volume, 'img1', 2**20)
    assert stored.strategy == 'cached-clone'
    assert stored.data == disk.read_bytes()[:2**20]
    # For the documentation: "make e2e ARGS='-k prefetch -s'".
    print(f'{image}: cached {cached - uploaded:.1f} s after its upload, '
          f'first create {created - cached:.1f} s')
    # A minute, and the rest for a machine that has much to do.
    assert cached - uploaded < 240
