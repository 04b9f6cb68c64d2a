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

"""What Tempest asks a plugin."""

import pathlib
from typing import Any

from oslo_config import cfg
from tempest import config
from tempest.test_discover import plugins

from rbd_imgdriver_tempest_plugin import config as plugin_config

PACKAGE = pathlib.Path(__file__).resolve().parent


class RBDImageDriverPlugin(plugins.TempestPlugin):
    """The tests of the rbd_imgdriver volume driver."""

    def load_tests(self) -> tuple[str, str]:
        """The directory of the tests, and the one to import from."""
        return str(PACKAGE / 'tests'), str(PACKAGE.parent)

    def register_opts(self, conf: cfg.ConfigOpts) -> None:
        """Make the options known to Tempest."""
        config.register_opt_group(conf, plugin_config.GROUP,
                                  plugin_config.OPTIONS)

    def get_opt_lists(self) -> list[tuple[str, list[Any]]]:
        """The options, for the sample configuration."""
        return [(plugin_config.GROUP.name, plugin_config.OPTIONS)]
