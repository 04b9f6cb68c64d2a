#!/usr/bin/env python3
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

"""Link the distribution's rados and rbd modules into a virtual environment.

    <environment>/bin/python tools/link_ceph_bindings.py

They have no release on PyPI.  Only the two extension modules are linked: with
--system-site-packages the distribution's other, older libraries would come
along and break Cinder.
"""

import importlib
import pathlib
import sys
import sysconfig

DISTRIBUTION = pathlib.Path('/usr/lib/python3/dist-packages')


def link(module: str) -> None:
    name = module + sysconfig.get_config_var('EXT_SUFFIX')
    target = DISTRIBUTION / name
    if not target.exists():
        raise SystemExit(
            f'{target} is not there: install python3-{module}, and use the '
            'Python it is built for (/usr/bin/python3)')
    place = pathlib.Path(sysconfig.get_path('platlib')) / name
    if not (place.is_symlink() and place.readlink() == target):
        place.unlink(missing_ok=True)
        place.symlink_to(target)
    importlib.import_module(module)


def main() -> None:
    if sys.prefix == sys.base_prefix:
        raise SystemExit('run this with the Python of a virtual environment')
    link('rados')
    link('rbd')


if __name__ == '__main__':
    main()
