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
"""What is known in one module only, so that it can be changed there."""

from collections.abc import Iterator
import functools
import io
import pathlib
import re
import tokenize

import pytest

PACKAGE = pathlib.Path(__file__).resolve().parents[2] / 'rbd_imgdriver'

# A pattern of code, and the only module that may have it.
ONE_PLACE = {
    # Cinder counts in whole GiB.
    r'(?:-\(-|ceil\().*\bGIB\b': 'model.py',
    # Marks, and the names of what is not whole yet.
    r"['\"]rbd-imgdriver/[a-z'\"]": 'model.py',
    r"['\"]\.partial-": 'model.py',
    r"['\"]image-cache-": 'model.py',
    # Names that Cinder's driver has to understand.
    r"['\"]\.clone_snap": 'chain/names.py',
    r"['\"]\.deleted['\"]": 'chain/names.py',
    # Removing a snapshot; who has an image open.
    r'\.unprotect_snap\(': 'ceph/images/snapshots.py',
    r'\.watchers_list\(': 'ceph/images/watchers.py',
    # Where RBD keeps what it knows of an image.
    r'rbd_header\.': 'ceph/wire/header.py',
    r'rbd_id\.': 'ceph/wire/header.py',
    r'rbd_object_map\.': 'ceph/images/object_maps.py',
    # Namespaces: an I/O context is given one where it is opened.
    r'\.set_namespace\(': 'ceph/client.py',
    # What an undo that failed has left.
    r'\.add_note\(': 'undo.py',
    # Which strategies there are.
    r'\b(?:rbd_clone\.RbdClone|cinder_clone\.CinderClone|'
    r'cached_clone\.CachedClone|import_image\.ImportImage)\(':
        'strategies/builder.py',
}


@functools.cache
def code_of(path: pathlib.Path) -> str:
    """A module's code, without comments and documentation."""
    lines = path.read_text().splitlines()
    previous = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(
            '\n'.join(lines) + '\n').readline):
        alone = token.type == tokenize.STRING and previous in (
            tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT)
        if token.type == tokenize.COMMENT or alone:
            (first, start), (last, end) = token.start, token.end
            for number in range(first, last + 1):
                line = lines[number - 1]
                lines[number - 1] = (
                    line[:start if number == first else 0]
                    + (line[end:] if number == last else ''))
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            previous = token.type
    return '\n'.join(lines)


def elsewhere(pattern: str, place: str, root: pathlib.Path) -> Iterator[str]:
    """Where code has a pattern, besides its place."""
    for path in sorted(root.rglob('*.py')):
        where = str(path.relative_to(root))
        if where != place:
            yield from (f'{where}: {line.strip()}'
                        for line in code_of(path).splitlines()
                        if re.search(pattern, line))


@pytest.mark.parametrize(('pattern', 'place'), ONE_PLACE.items(),
                         ids=lambda value: value)
def test_it_is_known_in_one_place(pattern, place):
    assert re.search(pattern, code_of(PACKAGE / place))
    assert list(elsewhere(pattern, place, PACKAGE)) == []


def test_a_second_place_is_found(tmp_path):
    (tmp_path / 'model.py').write_text("PREFIX = '.partial-'\n")
    (tmp_path / 'other.py').write_text(
        '"""About \'.partial-\'."""\n\n'
        "NAME = '.partial-' + 'x'  # like '.partial-'\n")

    found = list(elsewhere(r"['\"]\.partial-", 'model.py', tmp_path))

    assert found == ["other.py: NAME = '.partial-' + 'x'"]
