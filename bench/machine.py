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

"""What the figures were measured on."""

from __future__ import annotations

from importlib import metadata
import os
import pathlib
import platform
import re
import subprocess
import time
from typing import Any

TOP = pathlib.Path(__file__).resolve().parent.parent


def facts(scale: str) -> dict[str, Any]:
    """The machine, the versions, the date and the commit."""
    return {
        'date': time.strftime('%Y-%m-%d', time.gmtime()),
        'scale': scale,
        'commit': _output('git', '-C', str(TOP), 'describe', '--always',
                          '--dirty', '--abbrev=12'),
        'machine': f'{_processor()}, {os.cpu_count()} cores, '
                   f'{_memory_gib()} GiB, Linux {platform.release()}',
        'load': round(os.getloadavg()[1], 1),
        'python': platform.python_version(),
        'ceph': _first(r'version (\S+)', _output('ceph', '--version')),
        'qemu': _first(r'version (\S+)', _output('qemu-img', '--version')),
        'cinder': metadata.version('cinder')}


def describe(run: dict[str, Any]) -> str:
    """The same as a sentence."""
    return (f'{run["machine"]}; Ceph {run["ceph"]} (one monitor, one OSD '
            f'on a file), Cinder {run["cinder"]}, QEMU {run["qemu"]}, '
            f'Python {run["python"]}; commit {run["commit"]}, '
            f'{run["date"]}; {run["scale"]} run, load before it '
            f'{run["load"]}')


def _processor() -> str:
    return _first(r'model name\s*: (.*)',
                  pathlib.Path('/proc/cpuinfo').read_text())


def _memory_gib() -> int:
    kib = _first(r'MemTotal:\s*(\d+)',
                 pathlib.Path('/proc/meminfo').read_text())
    return round(int(kib or 0) / 2**20)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True,
                          text=True).stdout.strip()


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else 'unknown'
