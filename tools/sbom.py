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
"""A bill of materials of a wheel, in CycloneDX's format.

It lists what pip installs with the wheel under tools/constraints.txt: what
the tests ran with.  Cinder and the Ceph bindings are not in it, they are on
the machine already and not requirements of the wheel.
"""

from email import parser
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

TOP = pathlib.Path(__file__).resolve().parents[1]


def write(wheel: pathlib.Path, target: pathlib.Path, program: pathlib.Path,
          time: int) -> None:
    """Write the bill of materials of a wheel.

    :param program: cyclonedx-py
    :param time: what it gives as its own time, in seconds since 1970
    """
    with tempfile.TemporaryDirectory() as name:
        scratch = pathlib.Path(name)
        venv = scratch / 'venv'
        # What installs is not part of it.
        _run(sys.executable, '-m', 'venv', '--without-pip', venv)
        _run(sys.executable, '-m', 'pip', '-q', '--python',
             venv / 'bin/python', 'install', '-c',
             TOP / 'tools/constraints.txt', wheel)
        project = scratch / 'pyproject.toml'
        project.write_text(_project(wheel))
        _run(program, 'environment', '--pyproject', project,
             '--output-reproducible', '-o', target, venv / 'bin/python',
             environment={'SOURCE_DATE_EPOCH': str(time)})


def _project(wheel: pathlib.Path) -> str:
    """A pyproject.toml that says what pbr finds out: version, requirements.

    Names and strings are written as JSON, which is also TOML.
    """
    with zipfile.ZipFile(wheel) as packed:
        path = next(name for name in packed.namelist()
                    if name.endswith('.dist-info/METADATA'))
        answer = parser.Parser().parsestr(packed.read(path).decode())
    fields = {
        'name': answer['Name'], 'version': answer['Version'],
        'description': answer['Summary'],
        'license': answer['License-Expression'],
        'dependencies': [line for line in answer.get_all('Requires-Dist', [])
                         if 'extra ==' not in line]}
    return '[project]\n' + ''.join(
        f'{name} = {json.dumps(value)}\n' for name, value in fields.items())


def _run(*words: object, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run([str(word) for word in words], env=environment,
                          capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f'{" ".join(map(str, words))} failed:\n'
                         f'{done.stdout[-2000:]}{done.stderr[-4000:]}')
