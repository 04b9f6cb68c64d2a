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

"""Sphinx's configuration: https://www.sphinx-doc.org/"""

import pathlib
import sys

project = 'rbd-imgdriver'
copyright = 'The rbd-imgdriver maintainers'

sys.path.insert(0, str(pathlib.Path(__file__).parent / '_ext'))

extensions = [
    'from_code',
    'openstackdocstheme',
    'oslo_config.sphinxconfiggen',
    'oslo_config.sphinxext',
]

config_generator_config_file = [
    ('../../etc/rbd_imgdriver/rbd_imgdriver-config-generator.conf',
     '_static/rbd_imgdriver'),
]

html_theme = 'openstackdocs'
openstackdocs_repo_name = 'rbd-imgdriver'
openstackdocs_auto_name = False
openstackdocs_use_storyboard = False
pygments_style = 'native'

nitpicky = True
exclude_patterns = []
html_static_path = ['_static']

man_pages = [
    ('man/rbd-imgdriver-manage', 'rbd-imgdriver-manage',
     'look into and look after Cinder backends on Ceph RBD', [project], 8),
]
