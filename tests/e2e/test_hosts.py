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
"""Several hosts of one Cinder cluster, active/active.

The first has Cinder's volume manager and the last ours.
"""

import subprocess

from sandbox import polling

VOLUMES = 50
MADE = 'made from image %s by '


def test_fifty_creates_on_two_hosts_are_one_download(
        cloud, disk, sandbox, tmp_path):
    qcow2 = tmp_path / 'disk.qcow2'
    subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', disk,
                    qcow2], check=True)
    image = cloud.image(qcow2, 'qcow2', store='file')

    volumes = [cloud.ask_for_volume(image, 'img1', 1) for _ in range(VOLUMES)]
    for volume in volumes:
        cloud.await_status(volume, 'available')

    def answer(service: str, text: str) -> int:
        return (sandbox.layout.logs / f'{service}.log').read_text().count(
            text)

    def made() -> list[int]:
        return [answer(service, MADE % image)
                for service in ('cinder-volume', 'cinder-volume2')]

    assert polling.wait_until(lambda: sum(made()) == VOLUMES, 10)
    assert all(made()), 'only one of the hosts has worked'
    assert answer('glance-api', f'GET /v2/images/{image}/file') == 1
    stored = [cloud.stored(volume, 'img1', 4096) for volume in volumes]
    assert len({one.parent for one in stored}) == 1
    assert stored[0].parent[2] is not None
    assert {one.data for one in stored} == {disk.read_bytes()[:4096]}
    cloud.delete_volumes(volumes)


def test_encrypted_volumes_of_both_volume_managers(
        cloud, disk, sandbox, tmp_path):
    qcow2 = tmp_path / 'disk.qcow2'
    subprocess.run(['qemu-img', 'convert', '-f', 'raw', '-O', 'qcow2', disk,
                    qcow2], check=True)
    image = cloud.image(qcow2, 'qcow2', store='file')
    logs = sandbox.layout.logs
    text = f'made from image {image} by encrypted-clone'

    def made(service: str) -> int:
        return (logs / f'{service}.log').read_text().count(text)

    volumes: list[str] = []

    def both() -> bool:
        volumes.append(cloud.volume(image, 'img1-luks'))
        return all(map(made, ('cinder-volume', 'cinder-volume2')))

    # The hosts take turns, more or less.
    assert polling.wait_until(both, 300)
    downloads = (logs / 'glance-api.log').read_text().count(
        f'GET /v2/images/{image}/file')
    stored = [cloud.stored(volume, 'img1', 6) for volume in volumes]
    assert {one.data for one in stored} == {b'LUKS\xba\xbe'}
    assert len({one.parent for one in stored}) == 1
    # Cinder's manager downloads for each; ours for the first at the most.
    without = made('cinder-volume')
    assert downloads in (without, without + 1)
    cloud.delete_volumes(volumes)
