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
"""The options that the driver adds to those of Cinder's RBD driver.

They go into the backend's section of cinder.conf, beside the ``rbd_*`` and
``image_volume_cache_*`` options, which keep their meaning.
"""

from oslo_config import cfg
from oslo_config import types

RBD_CLONE = 'rbd-clone'
CINDER_CLONE = 'cinder-clone'
CACHED_CLONE = 'cached-clone'
IMPORT = 'import'

CASCADE = (RBD_CLONE, CINDER_CLONE, CACHED_CLONE, IMPORT)

CASCADE_OPTS = [
    cfg.ListOpt(
        'rbd_imgdriver_strategies',
        default=list(CASCADE),
        item_type=types.String(choices=list(CASCADE)),
        help='The ways to make a volume from an image, in the order in which '
             'they are tried. When all of them decline, Cinder downloads the '
             'image itself.'),
]

OPTS: list[cfg.Opt] = [*CASCADE_OPTS]


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """The options for oslo.config's generators, by group."""
    return [('backend_defaults', OPTS)]
