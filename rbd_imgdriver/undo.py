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
"""Undoing what a failed attempt has made."""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
from typing import TypeVar

_E = TypeVar('_E', bound=BaseException)


@contextlib.contextmanager
def on_error(what: str, action: Callable[[], object]) -> Iterator[None]:
    """Undo something if the context fails; raise the context's own error.

    An undo that fails as well does not hide why it was needed: it becomes a
    note on the first error, which says what was left behind.  Runs in any
    thread: it logs nothing.

    :param what: what is left behind when it cannot be undone, for example
        ``image volume-1``
    :param action: undoes it; it removes only what the caller itself has
        made, recognised by its id
    """
    try:
        yield
    except BaseException as first:
        try:
            action()
        except Exception as second:
            first.add_note(f'left behind: {what} ({second})')
        raise


def carried_over(error: _E, of: BaseException) -> _E:
    """An error that is raised for another, with what that left behind."""
    for note in getattr(of, '__notes__', ()):
        error.add_note(note)
    return error


def explained(error: BaseException) -> str:
    """What an error says, and what was left behind, in one line."""
    return '; '.join([str(error), *getattr(error, '__notes__', ())])
