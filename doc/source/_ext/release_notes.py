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
"""reno's directive ``release-notes``, for a tree without the whole history.

reno finds out from git which release a note belongs to.  In a shallow clone
or an unpacked archive it fails; the page then says where the notes are.
"""

import pathlib
import subprocess

from docutils import nodes
from reno import sphinxext
from sphinx import application

TOP = pathlib.Path(__file__).resolve().parents[3]
# What reno calls everything as long as there is no tag.
UNTAGGED = '0.0.0'


class ReleaseNotes(sphinxext.ReleaseNotesDirective):
    """The notes of every release."""

    def run(self) -> list[nodes.Node]:
        if not _has_whole_history():
            return [nodes.paragraph(text=(
                'This documentation was built without the history of the '
                'repository: the notes are in releasenotes/notes.'))]
        found = super().run()
        release = self.state.document.settings.env.config.release
        for section in found:
            for title in section.findall(nodes.title):
                if title.astext() == UNTAGGED:
                    title[:] = [nodes.Text(f'{release} (not yet released)')]
        return found


def _has_whole_history() -> bool:
    asked = subprocess.run(
        ['git', 'rev-parse', '--is-shallow-repository'], cwd=TOP,
        capture_output=True, text=True)
    return asked.stdout.strip() == 'false'


def setup(app: application.Sphinx) -> dict[str, bool]:
    """Sphinx's entry."""
    app.add_directive('release-notes', ReleaseNotes)
    return {'parallel_read_safe': True}
