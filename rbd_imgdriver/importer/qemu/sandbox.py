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
"""Where a converter sees nothing of the host: no file, process or network.

An image that makes qemu-img look elsewhere, whatever the checks have missed,
finds nothing there: qemu-img and its libraries are the only files, loopback
the only network, its own descriptors all that it can reach.  bubblewrap makes
such a place for users without privileges, out of Linux' namespaces.
"""

from collections.abc import Sequence
import functools
import json
import os
import re
import shutil
import subprocess

from rbd_imgdriver.importer.qemu import memfd

PROGRAM = 'bwrap'

# It says so itself, or env, whose language is the service's, that there is no
# such program.
_REFUSED = re.compile(rf'{PROGRAM}: |env: \W?{PROGRAM}\b')

# The cache of where libraries are; names only.
_CACHE = '/etc/ld.so.cache'


def wrapper(program: str, facts: int) -> list[str]:
    """The beginning of a command line that runs a program in a sandbox.

    As the first process of its namespace it gets no signal from outside
    before it has a handler for it (pid_namespaces(7)).

    :param facts: descriptor of a file that :func:`pid` understands
    """
    path = shutil.which(program, path='/usr/bin:/bin') or program
    files = (path, *_libraries(path, os.stat(path).st_mtime_ns))
    return [
        PROGRAM, '--unshare-user', '--unshare-pid', '--unshare-net',
        '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try',
        '--die-with-parent', '--new-session', '--as-pid-1', '--cap-drop',
        'ALL', '--info-fd', str(facts), '--ro-bind-try', _CACHE, _CACHE,
        *(word for file in files for word in ('--ro-bind', file, file)),
        '--remount-ro', '/', '--chdir', '/', '--']


def pid(facts: int) -> int | None:
    """The process id of the program, or None as long as it has none.

    :param facts: descriptor of the file that bubblewrap has written
    """
    try:
        return int(json.loads(memfd.text(facts))['child-pid'])
    except (ValueError, KeyError):
        return None


def refused(said: str) -> bool:
    """Whether there is no sandbox, by what was written to standard error."""
    return _REFUSED.match(said) is not None


@functools.lru_cache(maxsize=8)
def _libraries(path: str, _changed: int) -> Sequence[str]:
    """The shared libraries of a program, its loader among them.

    :param _changed: when the program was; another one has other libraries
    """
    found = subprocess.run(['ldd', path], stdout=subprocess.PIPE, text=True,
                          timeout=60, check=True).stdout
    return tuple(dict.fromkeys(
        word for word in found.split() if word.startswith('/')))
