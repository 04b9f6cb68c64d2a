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

"""Configuration files from templates."""

from __future__ import annotations

import pathlib
import string

from sandbox import layout


def text(name: str, /, **values: object) -> str:
    """A template with its ``$names`` filled in; all of them are needed."""
    template = string.Template((layout.TEMPLATES / name).read_text())
    return template.substitute(values)


def render(name: str, target: pathlib.Path, /, **values: object) -> None:
    """Write a file made from a template, unless it is there already."""
    write(target, text(name, **values))


def write(target: pathlib.Path, content: str, mode: int = 0o600) -> None:
    """Write a file in one go: readers see the old or the new one."""
    if target.exists() and target.read_text() == content:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + '.partial')
    partial.write_text(content)
    partial.chmod(mode)
    partial.rename(target)
