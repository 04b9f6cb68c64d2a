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
"""A file of the host that nobody has a reason to open."""

import contextlib
import ctypes
import os
import pathlib
import struct

_WORDS = b'THIS MUST NOT GET INTO A VOLUME '
# inotify(7)
_ACCESS, _MODIFY, _OPEN = 0x1, 0x2, 0x20
_EVENT = struct.Struct('iIII')


class Canary:
    """Knows who has opened the file, not only who has read it.

    :param path: of the file, which is made
    """

    words = _WORDS

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        path.write_bytes(_WORDS * 65536)
        path.chmod(0o644)
        libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        watch = libc.inotify_add_watch(self._inotify, os.fsencode(path),
                                       _ACCESS | _MODIFY | _OPEN)
        if watch < 0:
            raise OSError(ctypes.get_errno(), f'cannot watch {path}')

    def opened(self) -> int:
        """How often it was opened or read since the last question."""
        events = 0
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._inotify, 65536):
                at = 0
                while at < len(data):
                    at += _EVENT.size + _EVENT.unpack_from(data, at)[3]
                    events += 1
        return events

    def close(self) -> None:
        """Stop watching."""
        os.close(self._inotify)
