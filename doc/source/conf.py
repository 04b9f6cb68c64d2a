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
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]

project = 'rbd-imgdriver'
copyright = 'The rbd-imgdriver maintainers'
# What a package made of this tree is called.
release = version = subprocess.run(
    [sys.executable, '-W', 'ignore', 'setup.py', '--quiet', '--version'],
    cwd=TOP, check=True, capture_output=True, text=True).stdout.split()[-1]

sys.path.insert(0, str(TOP / 'doc/source/_ext'))

extensions = [
    'cliff.sphinxext',
    'from_code',
    'oslo_config.sphinxconfiggen',
    'oslo_config.sphinxext',
    'release_notes',
]

# What cliff has for every verb is said once, in cli.rst.
autoprogram_cliff_ignored = [
    '-h', '--quote', '--noindent', '--max-width', '--fit-width',
    '--print-empty', '--sort-column', '--sort-ascending',
    '--sort-descending', '--variable', '--prefix',
]

config_generator_config_file = [
    (str(TOP / 'etc/rbd_imgdriver/rbd_imgdriver-config-generator.conf'),
     '_static/rbd_imgdriver'),
]

html_theme = 'furo'
html_title = f'rbd-imgdriver {release}'
# A dash before an option stays what it is: "--repair" is for copying.
smartquotes = False

nitpicky = True
exclude_patterns = []
html_static_path = ['_static']

man_pages = [
    ('man/rbd-imgdriver-manage', 'rbd-imgdriver-manage',
     'inspect and maintain Cinder backends on Ceph RBD', [project], 8),
]
