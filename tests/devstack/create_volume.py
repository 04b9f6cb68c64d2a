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
"""Makes a volume as a cinder-volume with this configuration would.

    python -m tests.devstack.create_volume cinder.conf disk.raw rbd://...

The driver is the one that cinder.conf names, for the first of its
enabled_backends.  Prints the volume's pool and name.
"""

import pathlib
import sys

from cinder import context
from cinder.volume import configuration
from cinder.volume import driver as volume_driver
from oslo_config import cfg
from oslo_utils import importutils

from tests.functional import host

CONF = cfg.CONF


def main(conf: str, disk: str, url: str) -> None:
    state = pathlib.Path(conf).parent
    (state / 'conversion').mkdir(exist_ok=True)
    host.prepare(state)
    CONF(['--config-file', conf], project='cinder')
    section = CONF.enabled_backends[0]
    settings = configuration.Configuration(
        [cfg.StrOpt('volume_driver'), *volume_driver.volume_opts,
         *volume_driver.image_opts], config_group=section)
    driver = importutils.import_object(
        settings.volume_driver, configuration=settings,
        host=f'test@{section}')
    driver.do_setup(None)
    driver.check_for_setup_error()
    driver.set_initialized()
    if driver.get_volume_stats(True)['total_capacity_gb'] == 'unknown':
        raise SystemExit('the driver cannot see the pool')

    path = pathlib.Path(disk)
    volume = host.volume(1, host=f'test@{section}#{section}')
    _, done = driver.clone_image(
        context.get_admin_context(), volume,
        (url, [{'url': url, 'metadata': {}}]),
        host.image_meta(path, 'raw', id=url.split('/')[-2]),
        host.ImageService(path))
    if not done:
        raise SystemExit('the volume was not cloned')
    print(settings.rbd_pool, volume.name)


if __name__ == '__main__':
    main(*sys.argv[1:])
